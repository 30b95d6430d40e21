"""Retries of a writer while Redis is silent: readers may still reach it."""

from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import RedisError

from cache_layer import clock
from cache_layer.errors import CacheUnavailable

Result = TypeVar("Result")

RETRY_SECONDS = 0.05


def keep_trying(attempt: Callable[[], Result], seconds: float) -> Result:
    """
    Repeat an attempt until Redis replies.

    Raises:
        RedisError: Redis refused connections (`is_gone`), or kept failing for that many seconds.
    """
    deadline_ns = clock.seconds_from_now(seconds)
    while True:
        try:
            return attempt()
        except RedisError as error:  # includes a server that lacks memory or replicas just now
            if is_gone(error) or clock.monotonic_ns() >= deadline_ns:
                raise
        clock.sleep(RETRY_SECONDS)


def is_gone(error: RedisError) -> bool:
    """Whether the server refuses connections: when it comes back, the run-id guard purges its data."""
    return isinstance(error, CacheUnavailable) and error.refused
