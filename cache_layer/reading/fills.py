"""The miss path: loads entries for which Redis has no usable value from the database, under fill leases."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import DatabaseError
from redis.exceptions import RedisError

from cache_layer import clock
from cache_layer.activity import note_stored
from cache_layer.deadline import left_seconds
from cache_layer.lookup import Loaded, Lookup, load
from cache_layer.metrics import BYPASSES, FILLS, REFRESHES
from cache_layer.options import get_options
from cache_layer.protocol.scripts import Claim, Fill, claim_fills, fill_entries, give_back_leases
from cache_layer.reading import absent
from cache_layer.reading.answered import (
    Read,
    Reads,
    Source,
    decode_stored,
    encode_loaded,
    fetch_stored,
    keep_read,
    read_database,
)
from cache_layer.reading.refresh import note_filled

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")

FILL_POLL_SECONDS = 0.005


def read_missing(lookup: Lookup[Document], identifiers: Sequence[str], *, replace: bool = False) -> Reads[Document]:
    """
    Read entries for which Redis had no usable value, and cache them where allowed.

    Costs one script, one query and one script, however many there are. Entries that a writer holds, or that another
    reader takes long to fill, are read from the database and not cached.

    Args:
        replace: ignore existing values: they can't be decoded, or are being refreshed.
    Raises:
        CacheUnavailable: Redis did not answer; nothing was read.
    """
    token = secrets.token_hex(8)
    asked_ns = clock.monotonic_ns()
    claims = claim_fills([lookup.key(identifier) for identifier in identifiers], token, replace=replace)
    reads: Reads[Document] = {}
    leased: list[str] = []
    being_filled: list[str] = []
    held = 0
    for identifier, (claim, payload) in zip(identifiers, claims.values(), strict=True):
        if claim is Claim.LEASE:
            leased.append(identifier)
        elif claim is Claim.FILLING:
            being_filled.append(identifier)
        elif claim is Claim.ABSENT:
            reads[identifier] = keep_read(lookup, identifier, None, b"", source=Source.REDIS, asked_ns=asked_ns)
        elif claim is Claim.VALUE:
            reads |= decode_stored(lookup, [identifier], [payload], asked_ns)
        else:
            held += 1
    if leased:
        reads |= _fill(lookup, leased, token)
    if being_filled:
        reads |= _wait_for_fills(lookup, being_filled)
    rest = [identifier for identifier in identifiers if identifier not in reads]
    BYPASSES.labels("held").inc(held * lookup.counted)
    BYPASSES.labels("filling").inc((len(rest) - held) * lookup.counted)
    return reads | read_database(lookup, rest)


def refresh_entries(lookup: Lookup[Document], keys: Sequence[str]) -> Reads[Document]:
    """Reload entries over their values, except those others are loading; values stay if either server fails."""
    token = secrets.token_hex(8)
    try:
        claims = claim_fills(keys, token, replace=True)
        leased = [lookup.identifier(key) for key, (claim, _) in claims.items() if claim is Claim.LEASE]
        REFRESHES.inc(len(leased))
        return _fill(lookup, leased, token) if leased else {}
    except (RedisError, DatabaseError) as error:
        logger.warning("Refresh put off", extra=_describe(list(keys)) | {"error": str(error)})
        return {}


def _fill(lookup: Lookup[Document], identifiers: list[str], token: str) -> Reads[Document]:
    """Load entries under our leases, and store them (or absent markers) where allowed."""
    keys = [lookup.key(identifier) for identifier in identifiers]
    logger.info("Cache miss", extra=_describe(keys))
    try:
        loaded = load(lookup, identifiers)
    except BaseException:
        _give_back(keys, token)
        raise
    payloads = {identifier: encode_loaded(lookup, entry) for identifier, entry in loaded.items()}
    asked_ns = clock.monotonic_ns()
    stored = _store(lookup, loaded, payloads, token)
    return {
        identifier: keep_read(
            lookup, identifier, entry.document, payloads[identifier], source=Source.DATABASE, asked_ns=asked_ns
        )
        if identifier in stored
        else Read(entry.document, payloads[identifier], Source.BYPASS)
        for identifier, entry in loaded.items()
    }


def _store(
    lookup: Lookup[Document], loaded: dict[str, Loaded[Document]], payloads: dict[str, bytes], token: str
) -> set[str]:
    """Store what may be cached; returns the stored identifiers."""
    fills: dict[str, Fill] = {}
    for identifier, entry in loaded.items():
        ttl_seconds = lookup.ttl_seconds if payloads[identifier] else _absent_ttl_seconds()
        if entry.may_be_cached and ttl_seconds:
            fills[identifier] = Fill(lookup.key(identifier), payloads[identifier], ttl_seconds)
    _give_back([lookup.key(identifier) for identifier in loaded if identifier not in fills], token)
    try:
        stored = fill_entries(list(fills.values()), token)
    except RedisError as error:
        logger.warning("Cache fill failed", extra={"keys": list(loaded)[:10], "error": str(error)})
        _count_fills(lookup, len(loaded) - len(fills), failed=len(fills))
        return set()
    values = [fill for fill in fills.values() if fill.payload and stored[fill.key]]
    note_stored(fill.key for fill in values if lookup.counted)
    note_filled([fill.key for fill in values], lookup.ttl_seconds)
    kept = sum(stored.values())
    _count_fills(
        lookup, len(loaded) - len(fills), stored=len(values), absent=kept - len(values), refused=len(fills) - kept
    )
    if values:
        size = sum(len(fill.payload) for fill in values)
        extra = _describe([fill.key for fill in values]) | {"ttl_seconds": values[0].ttl_seconds, "bytes": size}
        logger.info("Cache populated", extra=extra)
    return {identifier for identifier, fill in fills.items() if stored[fill.key]}


def _wait_for_fills(lookup: Lookup[Document], identifiers: list[str]) -> Reads[Document]:
    """Wait at most `fill_wait_ms` for values that others are loading; returns those that arrived."""
    deadline_ns = clock.seconds_from_now(left_seconds(get_options().fill_wait_ms / 1000))
    reads: Reads[Document] = {}
    waiting = list(identifiers)
    while waiting and clock.monotonic_ns() < deadline_ns:
        clock.sleep(FILL_POLL_SECONDS)
        asked_ns = clock.monotonic_ns()
        try:
            reads |= decode_stored(lookup, waiting, fetch_stored(lookup, waiting), asked_ns)
        except RedisError:
            break
        waiting = [identifier for identifier in waiting if identifier not in reads]
    return reads


def _describe(keys: list[str]) -> dict[str, Any]:
    """The fields that name the keys in a log line."""
    return {"key": keys[0]} if len(keys) == 1 else {"keys": keys[:10], "count": len(keys)}


def _absent_ttl_seconds() -> int:
    """The TTL of an absent marker; 0 if there are too many already."""
    ttl_seconds = get_options().absent_ttl_seconds
    return ttl_seconds if ttl_seconds and absent.budget.allows() else 0


def _count_fills(lookup: Lookup[Any], not_cacheable: int, **outcomes: int) -> None:
    """Count the outcomes of loads under leases; a load that was not stored bypassed the cache."""
    if not lookup.counted:
        return
    for outcome, number in (outcomes | {"not_cacheable": not_cacheable}).items():
        FILLS.labels(outcome).inc(number)
    BYPASSES.labels("not_cacheable").inc(not_cacheable)
    BYPASSES.labels("refused").inc(outcomes.get("refused", 0))
    BYPASSES.labels("redis").inc(outcomes.get("failed", 0))


def _give_back(keys: list[str], token: str) -> None:
    try:
        give_back_leases(keys, token)
    except RedisError as error:
        logger.warning("Leases left to lapse", extra={"keys": keys[:10], "error": str(error)})
