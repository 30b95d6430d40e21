"""What Redis has of entity types at this moment, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Any

from redis.exceptions import RedisError

from cache_layer.keys import absent_key, holds_key, lease_key, value_key
from cache_layer.protocol.scripts import BATCH_KEYS
from cache_layer.server.connection import get_redis_client
from entities.lookups import ENTITY


class Kind(StrEnum):
    """What a reader who comes now would find."""

    CACHED = "cached"
    BEING_WRITTEN = "being written"
    BEING_FILLED = "being filled"
    KNOWN_ABSENT = "known absent"
    NOT_CACHED = "not cached"
    UNKNOWN = "unknown"
    """Redis does not say."""


@dataclass(frozen=True)
class CacheState:
    """One entry; `ttl_seconds` and `payload_bytes`, as they are in Redis, are None unless it is cached."""

    kind: Kind
    ttl_seconds: int | None = None
    payload_bytes: int | None = None


def read_cache_states(codes: Iterable[str]) -> dict[str, CacheState]:
    """
    Look at the entries of these entity types, all of a list's page in one round trip.

    Without Redis every state is unknown, after one time-out at most.
    """
    wanted = list(dict.fromkeys(codes))
    states: dict[str, CacheState] = {}
    try:
        for start in range(0, len(wanted), BATCH_KEYS):
            states |= _read_batch(wanted[start : start + BATCH_KEYS])
    except RedisError:
        return dict.fromkeys(wanted, CacheState(Kind.UNKNOWN))
    return states


def _read_batch(codes: list[str]) -> dict[str, CacheState]:
    pipeline = get_redis_client().pipeline()
    pipeline.time()
    for key in map(ENTITY.key, codes):
        pipeline.pttl(value_key(key))
        pipeline.strlen(value_key(key))
        pipeline.zrange(holds_key(key), -1, -1, withscores=True)  # the hold that lasts longest
        pipeline.exists(lease_key(key))
        pipeline.exists(absent_key(key))
    time, *answers = pipeline.execute(raise_on_error=False)  # a key of another type is no entry of ours
    if isinstance(time, RedisError):
        raise time
    seconds, microseconds = time
    now_ms = seconds * 1000 + microseconds // 1000
    return {code: _state(now_ms, answers[5 * i : 5 * i + 5]) for i, code in enumerate(codes)}


def _state(now_ms: int, answers: list[Any]) -> CacheState:
    """In the order in which `claim.lua` looks."""
    ttl_ms, length, holds, leases, absences = answers
    if isinstance(length, int) and length:
        return CacheState(Kind.CACHED, ceil(ttl_ms / 1000) if ttl_ms > 0 else None, length)
    if isinstance(holds, list) and any(expiry > now_ms for _, expiry in holds):
        return CacheState(Kind.BEING_WRITTEN)
    if absences == 1:
        return CacheState(Kind.KNOWN_ABSENT)
    if leases == 1:
        return CacheState(Kind.BEING_FILLED)
    return CacheState(Kind.NOT_CACHED)
