"""One typed function per Lua script. Every script works on one key and its companions, so it fits any cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from cache_layer.connection import GuardedRedis, get_redis_client, get_writer_client, lua_source
from cache_layer.keys import absent_key, holds_key, last_holder_key, lease_key
from cache_layer.options import get_options

BATCH_KEYS = 500
"""Keys per round trip in batch operations."""


class Claim(Enum):
    """What a reader may do with a key it found no usable value for."""

    VALUE = b"value"
    HELD = b"held"
    ABSENT = b"absent"
    FILLING = b"filling"
    LEASE = b"lease"


class Released(Enum):
    """How a hold ended."""

    STORED = b"stored"
    RELEASED = b"released"
    LOST = b"lost"


class Invalidated(Enum):
    """What an invalidation met."""

    DROPPED = 1
    NOTHING = 0
    HELD = -1


class Release(NamedTuple):
    """
    One hold to end.

    Attributes:
        holder: the id that `hold_keys` was given.
        alone: what `hold_keys` said.
        payload: the committed value's bytes, to be left in the cache; empty for none.
    """

    key: str
    holder: str
    alone: bool
    payload: bytes
    ttl_seconds: int


class _Call(NamedTuple):
    keys: tuple[str, ...]
    arguments: tuple[Any, ...]


def claim_fill(key: str, token: str, *, replace: bool) -> tuple[Claim, bytes | None]:
    """
    Ask for the right to fill `key`.

    Args:
        replace: the reader has seen the value and cannot decode it.
    Returns:
        What the reader may do, and the bytes if a value has appeared meanwhile.
    """
    call = _Call(
        (key, lease_key(key), holds_key(key), absent_key(key)), (token, get_options().fill_lease_ms, int(replace))
    )
    answer = _run(get_redis_client(), "claim", [call])[0]
    return Claim(answer[0]), answer[1] if len(answer) > 1 else None


def fill_entry(key: str, token: str, payload: bytes, ttl_seconds: int) -> bool:
    """
    Store a loaded value, unless a writer took the key since the lease was given.

    Returns:
        False if the lease is no longer ours; the caller keeps its value and caches nothing.
    Raises:
        CacheUnavailable: Redis did not answer within `socket_timeout_ms`.
    Source: leases, Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.
    """
    return _fill(key, token, "value", payload, ttl_seconds)


def fill_absent(key: str, token: str, ttl_seconds: int) -> bool:
    """Note that the database has no such row, under the same condition."""
    return _fill(key, token, "absent", b"", ttl_seconds)


def give_back_lease(key: str, token: str) -> None:
    """End a fill lease without storing anything."""
    _fill(key, token, "nothing", b"", 0)


def hold_keys(keys: Sequence[str], holder: str) -> dict[str, bool]:
    """
    Stop everyone from serving `keys` from the cache, for `hold_ms` at most.

    Args:
        holder: an id never used before: a first attempt that timed out may still run later, and must not look like
            the second.
    Returns:
        For each key, whether no other hold was in force.
    """
    options = get_options()
    calls = [_Call(_with_companions(key), (holder, options.hold_ms)) for key in keys]
    answers = _run(get_writer_client(), "hold", calls)
    return {key: bool(alone) for key, alone in zip(keys, answers, strict=True)}


def release_keys(releases: Sequence[Release]) -> dict[str, Released]:
    """End holds, storing the values that may be left behind."""
    calls = [
        _Call(_with_companions(key), (holder, int(alone), payload, ttl_seconds))
        for key, holder, alone, payload, ttl_seconds in releases
    ]
    answers = _run(get_writer_client(), "release", calls)
    return {release.key: Released(answer) for release, answer in zip(releases, answers, strict=True)}


def invalidate_keys(keys: Iterable[str], *, unless_held: bool = False) -> dict[str, Invalidated]:
    """
    Drop the values of `keys` and refuse every fill and write-through under way.

    Args:
        unless_held: leave keys alone that a writer holds.
    """
    keys = list(keys)
    calls = [
        _Call((key, lease_key(key), last_holder_key(key), absent_key(key), holds_key(key)), (int(unless_held),))
        for key in keys
    ]
    answers = _run(get_writer_client(), "invalidate", calls)
    return {key: Invalidated(answer) for key, answer in zip(keys, answers, strict=True)}


def _fill(key: str, token: str, what: str, payload: bytes, ttl_seconds: int) -> bool:
    call = _Call((key, lease_key(key), absent_key(key)), (token, what, payload, ttl_seconds))
    return bool(_run(get_redis_client(), "fill", [call])[0])


def _with_companions(key: str) -> tuple[str, ...]:
    return key, lease_key(key), holds_key(key), last_holder_key(key), absent_key(key)


def _run(client: GuardedRedis, name: str, calls: Sequence[_Call]) -> list[Any]:
    """Run one script for every call, `BATCH_KEYS` calls a round trip; loads the script where the server lacks it."""
    source = lua_source(name)
    sha = _SHAS.setdefault(name, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
    answers: list[Any] = []
    for start in range(0, len(calls), BATCH_KEYS):
        batch = calls[start : start + BATCH_KEYS]
        try:
            answers += _send(client, sha, batch)
        except NoScriptError:  # none of the batch has run: the server restarted, or its scripts were flushed
            client.script_load(source)
            answers += _send(client, sha, batch)
    return answers


def _send(client: GuardedRedis, sha: str, calls: Sequence[_Call]) -> list[Any]:
    if len(calls) == 1:
        return [client.evalsha(sha, len(calls[0].keys), *calls[0].keys, *calls[0].arguments)]
    pipeline = client.pipeline()
    for call in calls:
        pipeline.evalsha(sha, len(call.keys), *call.keys, *call.arguments)
    return pipeline.execute()


_SHAS: dict[str, str] = {}
