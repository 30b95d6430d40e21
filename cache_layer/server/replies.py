"""A time limit for each reply from Redis: it arrives completely in time, or counts as failed."""

from time import monotonic
from typing import Any

from redis.connection import DefaultParser
from redis.exceptions import TimeoutError as RedisTimeoutError

from cache_layer.deadline import left_seconds

MIN_READ_SECONDS = 0.01
"""The minimum wait for a reply, even past the deadline: a writer must still send its command."""


class BoundedParser(DefaultParser):  # type: ignore[misc, valid-type] # redis-py's choice: hiredis
    """
    redis-py's parser with one timeout for the whole reply: the socket timeout, or less if the deadline is near.

    redis-py applies the timeout to each read, so a server that trickles bytes could take a thousand timeouts.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        seconds = left_seconds(self._socket_timeout)
        if seconds < self._socket_timeout:
            options["timeout"] = seconds = max(seconds, MIN_READ_SECONDS)
        self._until, self._has_waited = monotonic() + seconds, False
        return super().read_response(*args, **options)

    def read_from_socket(self, *args: Any, **options: Any) -> Any:
        if self._has_waited:  # the first read has this timeout already, set on the socket
            options["timeout"] = self._until - monotonic()
            if options["timeout"] <= 0:
                raise RedisTimeoutError("The reply did not arrive completely in time.")
        self._has_waited = True
        return super().read_from_socket(*args, **options)
