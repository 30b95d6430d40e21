"""
Eager refresh: of the readers of a hot value one loads it anew shortly before it expires, and nobody finds it missing.

A process learns when a value will expire by asking now and then, not with every `GET`.
"""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import Any

from redis.exceptions import RedisError

from cache_layer.connection import get_redis_client
from cache_layer.options import get_options

LAST_PART = 10
"""A value is refreshed in the last tenth of its life; at most every half of that time a process asks for its TTL."""

_ask_at_ns: dict[str, int] = {}


def is_refresh_due(key: str, ttl_seconds: int) -> bool:
    """Whether the value this process has just read from Redis is known to be near its end."""
    now_ns = monotonic_ns()
    ask_at_ns = _ask_at_ns.get(key)
    if ask_at_ns is not None and now_ns < ask_at_ns:
        return False
    last_part_ms = ttl_seconds * 1_000 // LAST_PART
    left_ms = 0 if ask_at_ns is None else _ask_time_left_ms(key)
    _ask_at(key, now_ns + max(left_ms - last_part_ms, last_part_ms // 2) * 1_000_000)
    return 0 < left_ms <= last_part_ms


def is_time_to_ask(key: str) -> bool:
    """Whether `is_refresh_due` would ask Redis, or has never been called for this key."""
    return monotonic_ns() >= _ask_at_ns.get(key, 0)


def forget_times() -> None:
    """Know nothing of when values expire; a forked child begins so."""
    _ask_at_ns.clear()


def _ask_time_left_ms(key: str) -> int:
    """How long the value will live; below 0 if there is none, or Redis does not answer."""
    client: Any = get_redis_client()
    try:
        return int(client.pttl(key))
    except RedisError:
        return -1


def _ask_at(key: str, moment_ns: int) -> None:
    while len(_ask_at_ns) >= get_options().local_entries:
        try:
            del _ask_at_ns[next(iter(_ask_at_ns))]
        except (KeyError, StopIteration, RuntimeError):  # another thread made room
            break
    _ask_at_ns.pop(key, None)
    _ask_at_ns[key] = moment_ns


os.register_at_fork(after_in_child=forget_times)
