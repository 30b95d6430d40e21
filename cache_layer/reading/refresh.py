"""
Eager refresh: one reader of a hot value reloads it shortly before it expires, so that nobody finds it missing.

A process asks for a value's TTL now and then, not with every `GET`; so it is too late for a value that it first reads
just before the end.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from cache_layer import clock
from cache_layer.keys import value_key
from cache_layer.memory.local_store import make_room
from cache_layer.options import get_options
from cache_layer.server.connection import get_redis_client

LAST_PART = 10
"""A value is refreshed in the last tenth of its life; a process asks for its TTL at most every half of that time."""

_ask_at_ns: dict[str, int] = {}


def find_due(keys: Sequence[str], ttl_seconds: int) -> list[str]:
    """Of the keys that it is time to ask about, those whose values are known to expire soon."""
    last_part = ttl_seconds / LAST_PART
    left_seconds = dict.fromkeys(keys, 0.0)
    if known := [key for key in keys if key in _ask_at_ns]:
        pipeline = get_redis_client().pipeline()
        for key in known:
            pipeline.pttl(value_key(key))
        with suppress(RedisError):
            left_seconds |= {key: left / 1_000 for key, left in zip(known, pipeline.execute(), strict=True)}
    for key, left in left_seconds.items():
        _ask_at(key, clock.seconds_from_now(max(left - last_part, last_part / 2)))
    return [key for key, left in left_seconds.items() if 0 < left <= last_part]


def note_filled(keys: Sequence[str], ttl_seconds: int) -> None:
    """Record that these values were just stored with this TTL."""
    due_ns = clock.seconds_from_now(ttl_seconds - ttl_seconds / LAST_PART)
    for key in keys:
        _ask_at(key, due_ns)


def is_time_to_ask(key: str) -> bool:
    """Whether to ask `find_due` about this key, which was just read from Redis."""
    return clock.monotonic_ns() >= _ask_at_ns.get(key, 0)


def forget_times() -> None:
    """Forget when values expire; also runs in a forked child."""
    _ask_at_ns.clear()


def _ask_at(key: str, moment_ns: int) -> None:
    make_room(_ask_at_ns, get_options().local_entries)
    _ask_at_ns.pop(key, None)
    _ask_at_ns[key] = moment_ns


os.register_at_fork(after_in_child=forget_times)
