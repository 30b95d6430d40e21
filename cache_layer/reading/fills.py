"""The miss path: loads entries for which Redis has no usable value from the database, under fill leases."""

import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import DatabaseError
from redis.exceptions import RedisError

from cache_layer import clock
from cache_layer.activity import note_stored
from cache_layer.deadline import left_seconds
from cache_layer.lookup import Entry, Loaded, Lookup, load
from cache_layer.metrics import BYPASSES, FILLS, REFRESHES
from cache_layer.options import get_options
from cache_layer.protocol.scripts import Claim, Fill, claim_fills, fill_entries
from cache_layer.reading import absent
from cache_layer.reading.answered import Reads, Source, decode_stored, fetch_stored, keep_read, read_database, uncached
from cache_layer.reading.refresh import note_filled

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")

FILL_POLL_SECONDS = 0.005


def read_missing(lookup: Lookup[Document], entries: Sequence[Entry], *, replace: bool = False) -> Reads[Document]:
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
    claims = claim_fills([entry.key for entry in entries], token, replace=replace)
    reads: Reads[Document] = {}
    by_claim: defaultdict[Claim, list[Entry]] = defaultdict(list)
    for entry in entries:
        claim, payload = claims[entry.key]
        by_claim[claim].append(entry)
        if claim is Claim.ABSENT:
            reads[entry.identifier] = keep_read(entry, None, b"", source=Source.REDIS, asked_ns=asked_ns)
        elif claim is Claim.VALUE:
            reads |= decode_stored([entry], [payload], asked_ns)
    if leased := by_claim[Claim.LEASE]:
        reads |= _fill(lookup, leased, token)
    if being_filled := by_claim[Claim.FILLING]:
        reads |= _wait_for_fills(being_filled)
    held = len(by_claim[Claim.HELD])
    rest = [entry for entry in entries if entry.identifier not in reads]
    BYPASSES.labels("held").inc(held * lookup.counted)
    BYPASSES.labels("filling").inc((len(rest) - held) * lookup.counted)
    return reads | read_database(lookup, rest)


def refresh_entries(lookup: Lookup[Document], entries: Sequence[Entry]) -> Reads[Document]:
    """Reload entries over their values, except those others are loading; values stay if either server fails."""
    token = secrets.token_hex(8)
    try:
        claims = claim_fills([entry.key for entry in entries], token, replace=True)
        leased = [entry for entry in entries if claims[entry.key][0] is Claim.LEASE]
        REFRESHES.inc(len(leased))
        return _fill(lookup, leased, token) if leased else {}
    except (RedisError, DatabaseError) as error:
        logger.warning("Refresh put off", extra=_describe(entries) | {"error": str(error)})
        return {}


def _fill(lookup: Lookup[Document], entries: Sequence[Entry], token: str) -> Reads[Document]:
    """Load entries under our leases, and store them (or absent markers) where allowed."""
    logger.info("Cache miss", extra=_describe(entries))
    try:
        loaded = load(lookup, [entry.identifier for entry in entries])
    except BaseException:
        _give_back(entries, token)
        raise
    asked_ns = clock.monotonic_ns()
    reads = uncached(loaded)
    for entry in _store(lookup, {entry: loaded[entry.identifier] for entry in entries}, token):
        document, payload, *_ = reads[entry.identifier]
        reads[entry.identifier] = keep_read(entry, document, payload, source=Source.DATABASE, asked_ns=asked_ns)
    return reads


def _store(lookup: Lookup[Any], loaded: dict[Entry, Loaded[Any]], token: str) -> set[Entry]:
    """Store what may be cached; returns what was stored."""
    fills: dict[Entry, Fill] = {}
    for entry, each in loaded.items():
        ttl_seconds = lookup.ttl_seconds if each.payload else get_options().absent_ttl_seconds
        if each.may_be_cached and ttl_seconds and (each.payload or absent.budget.allows()):
            fills[entry] = Fill(entry.key, each.payload, ttl_seconds)
    rest = [entry for entry in loaded if entry not in fills]
    _give_back(rest, token)
    try:
        is_stored = fill_entries(list(fills.values()), token)
    except RedisError as error:
        logger.warning("Cache fill failed", extra=_describe(list(loaded)) | {"error": str(error)})
        _count_fills(lookup, len(rest), failed=len(fills))
        return set()
    stored = {entry for entry in fills if is_stored[entry.key]}
    values = [entry for entry in fills if entry in stored and fills[entry].payload]
    keys = [entry.key for entry in values]
    note_stored(keys if lookup.counted else ())
    note_filled(keys, lookup.ttl_seconds)
    absences, refused = len(stored) - len(values), len(fills) - len(stored)
    _count_fills(lookup, len(rest), stored=len(values), absent=absences, refused=refused)
    if values:
        size = sum(len(fills[entry].payload) for entry in values)
        logger.info("Cache populated", extra=_describe(values) | {"ttl_seconds": lookup.ttl_seconds, "bytes": size})
    return stored


def _wait_for_fills(entries: Sequence[Entry]) -> Reads[Any]:
    """Wait at most `fill_wait_ms` for values that others are loading; returns those that arrived."""
    deadline_ns = clock.seconds_from_now(left_seconds(get_options().fill_wait_ms / 1000))
    reads: Reads[Any] = {}
    waiting = list(entries)
    while waiting and clock.monotonic_ns() < deadline_ns:
        clock.sleep(FILL_POLL_SECONDS)
        asked_ns = clock.monotonic_ns()
        try:
            reads |= decode_stored(waiting, fetch_stored(waiting), asked_ns)
        except RedisError:
            break
        waiting = [entry for entry in waiting if entry.identifier not in reads]
    return reads


def _describe(entries: Sequence[Entry]) -> dict[str, Any]:
    """The fields that name the entries' keys in a log line."""
    keys = [entry.key for entry in entries]
    return {"key": keys[0]} if len(keys) == 1 else {"keys": keys[:10], "count": len(keys)}


def _count_fills(lookup: Lookup[Any], not_cacheable: int, **outcomes: int) -> None:
    """Count the outcomes of loads under leases; a load that was not stored bypassed the cache."""
    if not lookup.counted:
        return
    for outcome, number in (outcomes | {"not_cacheable": not_cacheable}).items():
        FILLS.labels(outcome).inc(number)
    BYPASSES.labels("not_cacheable").inc(not_cacheable)
    BYPASSES.labels("refused").inc(outcomes.get("refused", 0))
    BYPASSES.labels("redis").inc(outcomes.get("failed", 0))


def _give_back(entries: Sequence[Entry], token: str) -> None:
    keys = [entry.key for entry in entries]
    try:
        fill_entries([Fill(key, b"", 0) for key in keys], token)
    except RedisError as error:
        logger.warning("Leases left to lapse", extra={"keys": keys[:10], "error": str(error)})
