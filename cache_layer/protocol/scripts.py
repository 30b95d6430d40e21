"""One typed function per Lua script. A script works on one key and its companions; `each.lua` runs it for several."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from cache_layer.keys import (
    absent_key,
    delivered_key,
    further_keys,
    holds_key,
    known_key,
    last_holder_key,
    lease_key,
    value_key,
)
from cache_layer.options import get_options, known_ttl_seconds
from cache_layer.protocol.calls import Call, evaluate, run_script, script_source
from cache_layer.protocol.packing import pack
from cache_layer.server.connection import get_redis_client, get_writer_client


class Claim(Enum):
    """What a reader may do with a key for which it found no usable value."""

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
    """What an invalidation found; UNANSWERED if the key's node of a cluster failed."""

    DROPPED = 1
    NOTHING = 0
    HELD = -1
    DELIVERED = -2
    UNANSWERED = -3


class HoldRelease(NamedTuple):
    """
    One hold to end.

    Attributes:
        holder: the id passed to `hold_keys`.
        alone: what `hold_keys` returned.
        payload: the committed value's bytes to leave in the cache; empty for none.
        changes: the outbox ids of the changes that this release covers.
    """

    key: str
    holder: str
    alone: bool = False
    payload: bytes = b""
    ttl_seconds: int = 0
    changes: tuple[int, ...] = ()


class Fill(NamedTuple):
    """
    A value that a reader loaded under its lease.

    Attributes:
        payload: the value's bytes; empty if there is no such row.
        ttl_seconds: the TTL of the value, or of the absent marker; 0 stores nothing and only gives the lease back.
    """

    key: str
    payload: bytes
    ttl_seconds: int


def claim_fills(keys: Sequence[str], token: str, *, replace: bool) -> dict[str, tuple[Claim, bytes | None]]:
    """
    Ask for the right to fill keys, with one token; in a cluster, keys on a failed node count as held.

    Args:
        replace: ignore the current value: it can't be decoded, or is being refreshed.
    Returns:
        For each key what the reader may do, and the stored bytes if a value has appeared meanwhile.
    """
    arguments = (token, get_options().fill_lease_ms, int(replace))
    calls = [Call((value_key(key), lease_key(key), holds_key(key), absent_key(key)), arguments) for key in keys]
    answers = run_script(get_redis_client(), "claim", calls, unanswered=[Claim.HELD.value])
    return {
        key: (Claim(answer[0]), answer[1] if len(answer) > 1 else None)
        for key, answer in zip(keys, answers, strict=True)
    }


def fill_entries(fills: Sequence[Fill], token: str) -> dict[str, bool]:
    """
    Store loaded values, or absent markers, except where a writer took the key since the lease was given.

    Returns:
        False for a key whose lease is no longer ours; the caller keeps its value and caches nothing.
    Raises:
        CacheUnavailable: Redis did not answer within `socket_timeout_ms`.
    Source: leases, Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.
    """
    calls = [
        Call(
            (value_key(key), lease_key(key), absent_key(key), known_key(key)),
            (token, pack(payload), ttl_seconds, known_ttl_seconds(ttl_seconds) if payload else 0),
        )
        for key, payload, ttl_seconds in fills
    ]
    answers = run_script(get_redis_client(), "fill", calls)
    return {fill.key: bool(answer) for fill, answer in zip(fills, answers, strict=True)}


def read_stamps(keys: Sequence[str], nonce: str, ttl_seconds: int) -> dict[str, bytes]:
    """
    The current stamps; missing ones are created from the random `nonce` and the server's time.

    The time matters because the client may resend the command after its connection broke: the stamp made by the first
    run may already be in use elsewhere, and ended, before the second run.

    Returns:
        The stamps by key; empty where a writer holds one, or its node of a cluster fails.
    """
    calls = [Call((value_key(key), holds_key(key)), (nonce, ttl_seconds)) for key in keys]
    answers = run_script(get_redis_client(), "stamp", calls, unanswered=b"")
    return dict(zip(keys, answers, strict=True))


def hold_keys(keys: Sequence[str], holder: str) -> dict[str, bool]:
    """
    Stop everyone from serving `keys` (of entries or stamps) from the cache, for `hold_ms` at most.

    Args:
        holder: an id never used before: an attempt that timed out may still run later, and must not pass for the
            next one.
    Returns:
        For each key, whether no other hold was in force.
    """
    options = get_options()
    calls = [Call(_with_companions(key), (holder, options.hold_ms)) for key in keys]
    answers = run_script(get_writer_client(), "hold", calls)
    return {key: bool(alone) for key, alone in zip(keys, answers, strict=True)}


def release_keys(releases: Sequence[HoldRelease], stamps: Sequence[HoldRelease] = ()) -> dict[str, Released]:
    """
    End holds on entries, storing values where allowed; then end holds on stamps.

    Stamps come last: a stamp recreated before an old value is gone would vouch for that value.
    """
    calls = [_release(release) for release in (*releases, *stamps)]
    answers = run_script(get_writer_client(), "release", calls, last=len(stamps))
    return {call.key: Released(answer) for call, answer in zip((*releases, *stamps), answers, strict=True)}


def invalidate_keys(
    keys: Iterable[str],
    stamps: Iterable[str] = (),
    *,
    unless_held: Collection[str] | None = None,
    unless_delivered: Mapping[str, Collection[int]] | None = None,
) -> dict[str, Invalidated]:
    """
    Drop the values of `keys`, refuse all fills and write-throughs under way, and then end `stamps`.

    Args:
        unless_held: keys to leave alone while a writer holds them, and stamps, which are ended then. Unless this is
            None, nodes of a cluster may fail.
        unless_delivered: keys to leave alone if writers have delivered all these changes to Redis (outbox ids).
    """
    keys, stamps = list(keys), list(stamps)
    known = unless_delivered or {}
    calls = [_invalidation(key, key in (unless_held or ()), known.get(key, ())) for key in (*keys, *stamps)]
    unanswered = None if unless_held is None else Invalidated.UNANSWERED.value
    answers = run_script(get_writer_client(), "invalidate", calls, unanswered=unanswered, last=len(stamps))
    return dict(zip((*keys, *stamps), map(Invalidated, answers), strict=True))


def report_counts(keys: Sequence[str], arguments: Sequence[Any]) -> bool:
    """Add one process's counts to the analytics; False if Redis already has this report."""
    return bool(evaluate(get_writer_client(), script_source("analytics"), keys, arguments))


def _release(release: HoldRelease) -> Call:
    key, holder, alone, payload, ttl_seconds, changes = release
    ttls = (ttl_seconds, known_ttl_seconds(ttl_seconds))
    ids = ",".join(map(str, changes))
    return Call(_with_companions(key), (holder, int(alone), pack(payload), *ttls, ids))


def _invalidation(key: str, is_left_if_held: bool, changes: Collection[int]) -> Call:
    return Call(_with_companions(key), (int(is_left_if_held), ",".join(map(str, changes))))


def _with_companions(key: str) -> tuple[str, ...]:
    companions = (lease_key(key), holds_key(key), last_holder_key(key), absent_key(key), delivered_key(key))
    return value_key(key), *companions, *further_keys(key)
