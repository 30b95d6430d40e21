"""The current state of entries in Redis, and what was reported about them, for people to look at."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from enum import StrEnum
from math import ceil
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from cache_layer.counting.analytics import count_of
from cache_layer.keys import absent_key, analytics_key, hits_key, holds_key, lease_key, value_key
from cache_layer.lookup import Entry, Lookup
from cache_layer.protocol.calls import BATCH_KEYS
from cache_layer.server.connection import get_redis_client

_INVALIDATED = re.compile(rb"([0-9]{1,10}) ([a-z]{1,20})")
_LAST_S = 9_999_999_999
"""The latest plausible time, in seconds since the epoch."""


class Kind(StrEnum):
    """What a reader would find now."""

    CACHED = "cached"
    BEING_WRITTEN = "being written"
    BEING_FILLED = "being filled"
    KNOWN_ABSENT = "known absent"
    NOT_CACHED = "not cached"
    UNKNOWN = "unknown"
    """Redis does not answer."""


class EntryState(NamedTuple):
    """The state of one entry; `ttl_seconds` and `payload_bytes` (in Redis) are None unless it is cached."""

    kind: Kind
    ttl_seconds: int | None = None
    payload_bytes: int | None = None

    @classmethod
    def of(cls, lookup: Lookup[Any], identifiers: Iterable[str]) -> dict[str, EntryState]:
        """
        The states of entries; a page of a list takes one round trip.

        Without Redis every state is unknown, after at most one timeout.
        """
        wanted = list(dict.fromkeys(identifiers))
        return dict(zip(wanted, cls.of_entries(Entry(lookup, identifier) for identifier in wanted), strict=True))

    @classmethod
    def of_entries(cls, entries: Iterable[Entry]) -> list[EntryState]:
        """The states of entries of any lookups, in the given order."""
        wanted = list(entries)
        states: list[EntryState] = []
        try:
            for start in range(0, len(wanted), BATCH_KEYS):
                states += _read_batch(wanted[start : start + BATCH_KEYS])
        except RedisError:
            return [cls(Kind.UNKNOWN)] * len(wanted)
        return states


class EntryActivity(NamedTuple):
    """
    What all processes reported about one entry.

    Attributes:
        hits_today: reads from memory or Redis since midnight UTC.
        hits_since_stored: None if its value is not known to be stored.
        stored_s, invalidated_s: seconds since the epoch; None if that was not within seven days.
        cause: the cause of the last invalidation.
    """

    hits_today: int
    hits_since_stored: int | None
    stored_s: int | None
    invalidated_s: int | None
    cause: str | None

    @classmethod
    def read(cls, lookup: Lookup[Any], identifiers: Iterable[str]) -> dict[str, EntryActivity]:
        """
        Read what was reported about these entries, at most a minute late.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        wanted = list(identifiers)
        if not wanted:
            return {}
        keys = [lookup.key(identifier) for identifier in wanted]
        pipeline = get_redis_client().pipeline()
        pipeline.hmget(hits_key(time.time()), keys)
        pipeline.zmscore(analytics_key("stored"), keys)
        pipeline.hmget(analytics_key("hits"), keys)
        pipeline.hmget(analytics_key("invalidated"), keys)
        found: dict[str, EntryActivity] = {}
        for identifier, today, expiry, hits, invalidated in zip(wanted, *pipeline.execute(), strict=True):
            stored_s = int(expiry) - lookup.ttl_seconds if expiry and 0 < expiry <= _LAST_S else None
            ended = _INVALIDATED.fullmatch(invalidated or b"")
            found[identifier] = cls(
                hits_today=count_of(today),
                hits_since_stored=count_of(hits) if stored_s is not None else None,
                stored_s=stored_s,
                invalidated_s=int(ended[1]) if ended else None,
                cause=ended[2].decode() if ended else None,
            )
        return found


def _read_batch(entries: list[Entry]) -> list[EntryState]:
    pipeline = get_redis_client().pipeline()
    pipeline.time()
    for key in (entry.key for entry in entries):
        pipeline.pttl(value_key(key))
        pipeline.strlen(value_key(key))
        pipeline.zrange(holds_key(key), -1, -1, withscores=True)  # the hold that expires last
        pipeline.exists(lease_key(key))
        pipeline.exists(absent_key(key))
    now, *answers = pipeline.execute(raise_on_error=False)  # a key of another type is not our entry
    if isinstance(now, RedisError):
        raise now
    seconds, microseconds = now
    now_ms = seconds * 1000 + microseconds // 1000
    return [_state(now_ms, answers[start : start + 5]) for start in range(0, len(answers), 5)]


def _state(now_ms: int, answers: list[Any]) -> EntryState:
    """The state, checked in the same order as in `claim.lua`."""
    ttl_ms, length, holds, leases, absences = answers
    if isinstance(length, int) and length:
        return EntryState(Kind.CACHED, ceil(ttl_ms / 1000) if ttl_ms > 0 else None, length)
    if isinstance(holds, list) and any(expiry > now_ms for _, expiry in holds):
        return EntryState(Kind.BEING_WRITTEN)
    if absences == 1:
        return EntryState(Kind.KNOWN_ABSENT)
    if leases == 1:
        return EntryState(Kind.BEING_FILLED)
    return EntryState(Kind.NOT_CACHED)
