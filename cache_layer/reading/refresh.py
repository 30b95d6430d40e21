"""
Eager refresh: of the readers of a hot value one loads it anew shortly before it expires, so that none finds it missing.

A process learns when a value will expire by asking now and then, not with every `GET`; of a value that it first reads
at its very end it learns too late.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import monotonic_ns

from redis.exceptions import RedisError

from cache_layer.keys import value_key
from cache_layer.options import get_options
from cache_layer.server.connection import get_redis_client

LAST_PART = 10
"""A value is refreshed in the last tenth of its life; at most every half of that time a process asks for its TTL."""

_ask_at_ns: dict[str, int] = {}


def find_due(keys: Sequence[str], ttl_seconds: int) -> list[str]:
    """Those of the values this process has just read from Redis that are known to be near their end."""
    now_ns = monotonic_ns()
    last_part_ms = ttl_seconds * 1_000 // LAST_PART
    to_ask = [key for key in keys if now_ns >= _ask_at_ns.get(key, 0)]
    known = [key for key in to_ask if key in _ask_at_ns]
    left_ms = dict.fromkeys(to_ask, 0) | dict(zip(known, _ask_time_left_ms(known), strict=True))
    for key, left in left_ms.items():
        _ask_at(key, now_ns + max(left - last_part_ms, last_part_ms // 2) * 1_000_000)
    return [key for key, left in left_ms.items() if 0 < left <= last_part_ms]


def note_filled(keys: Sequence[str], ttl_seconds: int) -> None:
    """These values have just begun their life."""
    due_ns = monotonic_ns() + (ttl_seconds - ttl_seconds // LAST_PART) * 1_000_000_000
    for key in keys:
        _ask_at(key, due_ns)


def is_time_to_ask(key: str) -> bool:
    """Whether `find_due` would ask Redis, or has never been called for this key."""
    return monotonic_ns() >= _ask_at_ns.get(key, 0)


def forget_times() -> None:
    """Know nothing of when values expire; a forked child begins so."""
    _ask_at_ns.clear()


def _ask_time_left_ms(keys: Sequence[str]) -> list[int]:
    """How long these values will live, in one round trip; below 0 if one is gone, or Redis does not answer."""
    if not keys:
        return []
    pipeline = get_redis_client().pipeline()
    for key in keys:
        pipeline.pttl(value_key(key))
    try:
        return [int(left) for left in pipeline.execute()]
    except RedisError:
        return [-1] * len(keys)


def _ask_at(key: str, moment_ns: int) -> None:
    while len(_ask_at_ns) >= get_options().local_entries:
        try:
            del _ask_at_ns[next(iter(_ask_at_ns))]
        except (KeyError, StopIteration, RuntimeError):  # another thread made room
            break
    _ask_at_ns.pop(key, None)
    _ask_at_ns[key] = moment_ns


os.register_at_fork(after_in_child=forget_times)
