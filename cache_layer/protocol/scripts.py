"""One typed function per Lua script. Each works on one key and its companions; `each.lua` runs it for several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from cache_layer.keys import (
    absent_key,
    further_keys,
    holds_key,
    known_key,
    last_holder_key,
    lease_key,
    told_key,
    value_key,
)
from cache_layer.options import get_options, known_ttl_seconds
from cache_layer.protocol.calls import Call, evaluate, run_script, script_source
from cache_layer.protocol.packing import pack
from cache_layer.server.connection import get_redis_client, get_writer_client


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
    TOLD = -2


class Release(NamedTuple):
    """
    One hold to end.

    Attributes:
        holder: the id that `hold_keys` was given.
        alone: what `hold_keys` said.
        payload: the committed value's bytes, to be left in the cache; empty for none.
        changes: the ids in the outbox of what this tells Redis of.
    """

    key: str
    holder: str
    alone: bool = False
    payload: bytes = b""
    ttl_seconds: int = 0
    changes: tuple[int, ...] = ()


class Fill(NamedTuple):
    """
    What a reader has loaded under its lease.

    Attributes:
        payload: the value's bytes; empty if there is no such row.
        ttl_seconds: of the value, or of the note that there is no such row.
    """

    key: str
    payload: bytes
    ttl_seconds: int


def claim_fill(key: str, token: str, *, replace: bool) -> tuple[Claim, bytes | None]:
    """
    Ask for the right to fill `key`.

    Args:
        replace: look past the value: it can't be decoded, or is to be renewed.
    Returns:
        What the reader may do, and the bytes, as they are stored, if a value has appeared meanwhile.
    """
    return claim_fills([key], token, replace=replace)[key]


def claim_fills(keys: Sequence[str], token: str, *, replace: bool) -> dict[str, tuple[Claim, bytes | None]]:
    """The same for several keys, all with one token; in a cluster, what is on a node that fails counts as held."""
    arguments = (token, get_options().fill_lease_ms, int(replace))
    calls = [Call((value_key(key), lease_key(key), holds_key(key), absent_key(key)), arguments) for key in keys]
    answers = run_script(get_redis_client(), "claim", calls, unanswered=[Claim.HELD.value])
    return {
        key: (Claim(answer[0]), answer[1] if len(answer) > 1 else None)
        for key, answer in zip(keys, answers, strict=True)
    }


def fill_entry(key: str, token: str, payload: bytes, ttl_seconds: int) -> bool:
    """
    Store a loaded value, or note that there is none, unless a writer took the key since the lease was given.

    Returns:
        False if the lease is no longer ours; the caller keeps its value and caches nothing.
    Raises:
        CacheUnavailable: Redis did not answer within `socket_timeout_ms`.
    Source: leases, Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.
    """
    return fill_entries([Fill(key, payload, ttl_seconds)], token)[key]


def fill_entries(fills: Sequence[Fill], token: str) -> dict[str, bool]:
    """The same for several keys claimed with one token."""
    return _fill([(key, "value" if payload else "absent", pack(payload), ttl) for key, payload, ttl in fills], token)


def give_back_leases(keys: Sequence[str], token: str) -> None:
    """End fill leases without storing anything."""
    _fill([(key, "nothing", b"", 0) for key in keys], token)


def read_stamps(keys: Sequence[str], nonce: str, ttl_seconds: int) -> dict[str, bytes]:
    """
    The stamps in force; those that are not there are made, of `nonce`, which is random, and the server's time.

    Of both, since the client may send the command again: if its connection breaks after it has run, what it has made
    may be in use elsewhere, and ended, before the second one runs.

    Returns:
        Empty where a writer holds a stamp, or its node of a cluster fails.
    """
    calls = [Call((value_key(key), holds_key(key)), (nonce, ttl_seconds)) for key in keys]
    answers = run_script(get_redis_client(), "stamp", calls, unanswered=b"")
    return dict(zip(keys, answers, strict=True))


def hold_keys(keys: Sequence[str], holder: str) -> dict[str, bool]:
    """
    Stop everyone from serving `keys`, entries' or stamps', from the cache, for `hold_ms` at most.

    Args:
        holder: an id never used before: a first attempt that timed out may still run later, and must not look like
            the second.
    Returns:
        For each key, whether no other hold was in force.
    """
    options = get_options()
    calls = [Call(_with_companions(key), (holder, options.hold_ms)) for key in keys]
    answers = run_script(get_writer_client(), "hold", calls)
    return {key: bool(alone) for key, alone in zip(keys, answers, strict=True)}


def release_keys(releases: Sequence[Release], stamps: Sequence[Release] = ()) -> dict[str, Released]:
    """
    End holds, storing the values that may be left behind; then those on stamps.

    A stamp comes last: made anew before an old value is gone it would vouch for it.
    """
    calls = [_release(release) for release in (*releases, *stamps)]
    answers = run_script(get_writer_client(), "release", calls, last=len(stamps))
    return {call.key: Released(answer) for call, answer in zip((*releases, *stamps), answers, strict=True)}


def invalidate_keys(
    keys: Iterable[str],
    stamps: Iterable[str] = (),
    *,
    unless_held: Collection[str] | None = None,
    unless_told: Mapping[str, Collection[int]] | None = None,
) -> dict[str, Invalidated]:
    """
    Drop the values of `keys`, refuse every fill and write-through under way, and end `stamps` after that.

    Args:
        unless_held: those to leave alone while a writer holds them. Unless it is None, keys on a node of a cluster
            that fails count as held too.
        unless_told: those to leave alone if writers have told Redis of these changes, by their ids in the outbox.
    """
    keys, stamps = list(keys), list(stamps)
    if not keys and not stamps:
        return {}
    told = unless_told or {}
    calls = [_invalidation(key, key in (unless_held or ()), told.get(key, ())) for key in (*keys, *stamps)]
    unanswered = None if unless_held is None else Invalidated.HELD.value
    answers = run_script(get_writer_client(), "invalidate", calls, unanswered=unanswered, last=len(stamps))
    return {key: Invalidated(answer) for key, answer in zip(keys, answers[: len(keys)], strict=True)}


def report_counts(keys: Sequence[str], arguments: Sequence[Any]) -> bool:
    """Add what one process counted to the analytics; False if Redis was told this before."""
    return bool(evaluate(get_writer_client(), script_source("analytics"), keys, arguments))


def _fill(fills: Sequence[tuple[str, str, bytes, int]], token: str) -> dict[str, bool]:
    calls = [
        Call(
            (value_key(key), lease_key(key), absent_key(key), known_key(key)),
            (token, what, payload, ttl_seconds, known_ttl_seconds(ttl_seconds) if what == "value" else 0),
        )
        for key, what, payload, ttl_seconds in fills
    ]
    answers = run_script(get_redis_client(), "fill", calls)
    return {fill[0]: bool(answer) for fill, answer in zip(fills, answers, strict=True)}


def _release(release: Release) -> Call:
    key, holder, alone, payload, ttl_seconds, changes = release
    lives = (ttl_seconds, known_ttl_seconds(ttl_seconds) if ttl_seconds else 0)
    told = ",".join(map(str, changes))
    return Call((*_with_companions(key), told_key(key)), (holder, int(alone), pack(payload), *lives, told))


def _invalidation(key: str, is_left_if_held: bool, changes: Collection[int]) -> Call:
    companions = (lease_key(key), last_holder_key(key), absent_key(key), holds_key(key), told_key(key))
    arguments = (int(is_left_if_held), ",".join(map(str, changes)))
    return Call((value_key(key), *companions, *further_keys(key)), arguments)


def _with_companions(key: str) -> tuple[str, ...]:
    companions = (lease_key(key), holds_key(key), last_holder_key(key), absent_key(key))
    return value_key(key), *companions, *further_keys(key)
