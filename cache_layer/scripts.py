"""One typed function per Lua script. Every script works on one key and its companions, so it fits any cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from cache_layer.connection import GuardedRedis, get_redis_client, get_writer_client, lua_source
from cache_layer.keys import holds_key, last_holder_key, lease_key
from cache_layer.options import get_options

BATCH_KEYS = 500
"""Keys per round trip in batch operations."""


class Claim(Enum):
    """What a reader may do with a key it found no usable value for."""

    VALUE = b"value"
    HELD = b"held"
    FILLING = b"filling"
    LEASE = b"lease"


class Released(Enum):
    """How a hold ended."""

    STORED = b"stored"
    RELEASED = b"released"
    LOST = b"lost"


@dataclass(frozen=True, slots=True)
class WriteThrough:
    """The committed value a writer may leave in the cache."""

    payload: bytes
    ttl_seconds: int


class Release(NamedTuple):
    key: str
    alone: bool
    value: WriteThrough | None


class Call(NamedTuple):
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
    call = Call((key, lease_key(key), holds_key(key)), (token, get_options().fill_lease_ms, int(replace)))
    answer = _run(get_redis_client(), "claim", [call])[0]
    return Claim(answer[0]), answer[1] if len(answer) > 1 else None


def fill_entry(key: str, token: str, payload: bytes, ttl_seconds: int) -> bool:
    """
    Store a loaded value, unless a writer took the key since the lease was given.

    Args:
        payload: the bytes to store; empty gives the lease back and stores nothing.
    Returns:
        False if nothing was stored; the caller keeps its value and caches nothing.
    Raises:
        CacheUnavailable: Redis did not answer within `socket_timeout_ms`.
    Source: leases, Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.
    """
    return bool(_run(get_redis_client(), "fill", [Call((key, lease_key(key)), (token, payload, ttl_seconds))])[0])


def hold_keys(keys: Sequence[str], writer: str) -> dict[str, bool]:
    """
    Stop everyone from serving `keys` from the cache, for `hold_ms` at most.

    Returns:
        For each key, whether no other writer's hold was in force.
    """
    options = get_options()
    calls = [
        Call((key, lease_key(key), holds_key(key), last_holder_key(key)), (writer, options.hold_ms)) for key in keys
    ]
    answers = _run(get_writer_client(), "hold", calls)
    return {key: bool(alone) for key, alone in zip(keys, answers, strict=True)}


def release_keys(releases: Sequence[Release], writer: str) -> dict[str, Released]:
    """End this writer's holds, storing the values it may leave behind."""
    calls = [
        Call(
            (release.key, lease_key(release.key), holds_key(release.key), last_holder_key(release.key)),
            (
                writer,
                int(release.alone),
                release.value.payload if release.value else b"",
                release.value.ttl_seconds if release.value else 1,
            ),
        )
        for release in releases
    ]
    answers = _run(get_writer_client(), "release", calls)
    return {release.key: Released(answer) for release, answer in zip(releases, answers, strict=True)}


def invalidate_keys(keys: Iterable[str]) -> int:
    """Drop the values of `keys` and refuse every fill under way; returns how many had a value."""
    calls = [Call((key, lease_key(key), last_holder_key(key)), ()) for key in keys]
    return sum(_run(get_writer_client(), "invalidate", calls))


def _run(client: GuardedRedis, name: str, calls: Sequence[Call]) -> list[Any]:
    """Run one script for every call, `BATCH_KEYS` calls a round trip; loads the script where the server lacks it."""
    source = lua_source(name)
    sha = _SHAS.setdefault(name, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
    answers: list[Any] = []
    for start in range(0, len(calls), BATCH_KEYS):
        batch = calls[start : start + BATCH_KEYS]
        answers += _run_batch(client, source, sha, batch)
    return answers


def _run_batch(client: GuardedRedis, source: str, sha: str, calls: Sequence[Call]) -> list[Any]:
    try:
        return _send(client, sha, calls)
    except NoScriptError:  # the server restarted or its scripts were flushed; a script that ran is harmless twice
        client.script_load(source)
        return _send(client, sha, calls)


def _send(client: GuardedRedis, sha: str, calls: Sequence[Call]) -> list[Any]:
    if len(calls) == 1:
        return [client.evalsha(sha, len(calls[0].keys), *calls[0].keys, *calls[0].arguments)]
    pipeline = client.pipeline()
    for call in calls:
        pipeline.evalsha(sha, len(call.keys), *call.keys, *call.arguments)
    return pipeline.execute()


_SHAS: dict[str, str] = {}
