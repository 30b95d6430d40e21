"""How long Redis' answers are waited for: each comes whole in time, or not at all."""

from __future__ import annotations

from time import monotonic
from typing import Any

from redis.connection import DefaultParser
from redis.exceptions import TimeoutError as RedisTimeoutError

from cache_layer.deadline import left_seconds

MIN_READ_SECONDS = 0.01
"""How long an answer is waited for even if the time is over: a writer's command is not given up unsent."""

Parser: Any = DefaultParser
"""hiredis'."""


class BoundedParser(Parser):  # type: ignore[misc] # untyped
    """
    redis-py's own, with one time-out for an answer, or what time the work has left.

    Its own waits a time-out for each piece: for a server that trickles, a thousand of them.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        seconds = left_seconds(self._socket_timeout)
        if seconds < self._socket_timeout:
            options["timeout"] = seconds = max(seconds, MIN_READ_SECONDS)
        self._until, self._has_waited = monotonic() + seconds, False
        return super().read_response(*args, **options)

    def read_from_socket(self, *args: Any, **options: Any) -> Any:
        if self._has_waited:  # the first piece has that time-out anyway, set on the socket
            options["timeout"] = self._until - monotonic()
            if options["timeout"] <= 0:
                raise RedisTimeoutError("The answer did not come whole in time.")
        self._has_waited = True
        return super().read_from_socket(*args, **options)
