"""The miss path: entries that Redis has no usable value for, from the database, under fill leases."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from enum import StrEnum
from time import monotonic_ns
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DatabaseError
from redis.exceptions import RedisError, ResponseError

from cache_layer.activity import note_stored
from cache_layer.deadline import left_seconds
from cache_layer.errors import OtherRelease
from cache_layer.keys import value_key
from cache_layer.lookup import Loaded, Lookup, load
from cache_layer.memory.local_store import Copy, keep_copy
from cache_layer.metrics import BYPASSES, FILLS, REFRESHES, REFUSED_VALUES
from cache_layer.options import get_options
from cache_layer.protocol.packing import unpack
from cache_layer.protocol.scripts import Claim, Fill, claim_fills, fill_entries, give_back_leases
from cache_layer.reading import absent
from cache_layer.reading.refresh import note_filled
from cache_layer.server.connection import get_redis_client

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")

FILL_POLL_SECONDS = 0.005
LOGGED_CHARACTERS = 200


class Source(StrEnum):
    """Where an answer came from; the values of the `X-Cache` header."""

    LOCAL = "L1"
    REDIS = "L2"
    DATABASE = "DB"
    BYPASS = "BYPASS"
    STALE = "STALE"


class Read(NamedTuple, Generic[Document]):
    """
    One answered read.

    Attributes:
        document: None if there is no such entry.
        payload: the document's bytes, as they are in Redis or were before they were compressed, or as this release
            would have them there; empty if there is no document.
        source: `DATABASE` if it was read there and cached, `BYPASS` if it was read there and must not be cached,
            `STALE` if it is what was last known and the database is away.
        copies: what of this process's memory it is made of; while their leases last the same answer may be given
            again. Empty if it must not be.
    """

    document: Document | None
    payload: bytes
    source: Source
    copies: tuple[Copy, ...] = ()


Reads = dict[str, Read[Document]]


def read_missing(lookup: Lookup[Document], identifiers: Sequence[str], *, replace: bool = False) -> Reads[Document]:
    """
    Read entries that Redis had no usable value for, and leave them there where that is allowed.

    Costs one script, one query and one script, however many they are. Those that a writer holds, or that another
    reader takes long to fill, are read from the database and not cached.

    Args:
        replace: there are values, but they can't be decoded, or are to be renewed.
    Raises:
        CacheUnavailable: Redis did not answer; nothing was read.
    """
    token = secrets.token_hex(8)
    asked_ns = monotonic_ns()
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
            reads[identifier] = _keep(lookup, identifier, None, b"", source=Source.REDIS, asked_ns=asked_ns)
        elif claim is Claim.VALUE:
            reads |= read_payloads(lookup, [identifier], [payload], asked_ns)
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
    """Load entries anew, over their values; not those that another does, nor if an engine fails: the values live on."""
    token = secrets.token_hex(8)
    try:
        claims = claim_fills(keys, token, replace=True)
        leased = [lookup.identifier(key) for key, (claim, _) in claims.items() if claim is Claim.LEASE]
        REFRESHES.inc(len(leased))
        return _fill(lookup, leased, token) if leased else {}
    except (RedisError, DatabaseError) as error:
        logger.warning("Refresh put off", extra=_describe(list(keys)) | {"error": str(error)})
        return {}


def read_payloads(
    lookup: Lookup[Document], identifiers: Iterable[str], answers: Iterable[bytes | None], asked_ns: int
) -> Reads[Document]:
    """What Redis answered, where it can be decoded."""
    reads: Reads[Document] = {}
    for identifier, stored in zip(identifiers, answers, strict=True):
        if stored is None:
            continue
        found = decode(lookup, identifier, stored)
        if found is not None:
            document, payload = found
            reads[identifier] = _keep(lookup, identifier, document, payload, source=Source.REDIS, asked_ns=asked_ns)
    return reads


def read_database(lookup: Lookup[Document], identifiers: Sequence[str]) -> Reads[Document]:
    """The entries as the database has them; nothing is cached."""
    if not identifiers:
        return {}
    return {
        identifier: Read(loaded.document, _encode(lookup, loaded), Source.BYPASS)
        for identifier, loaded in load(lookup, identifiers).items()
    }


def decode(lookup: Lookup[Document], identifier: str, stored: bytes) -> tuple[Document, bytes] | None:
    """
    The document of what is stored, and its bytes as this release writes it.

    None if a release wrote it that did not know all of ours; None, and a line in the log, if it is no document.
    """
    try:
        payload = unpack(stored)
        return lookup.decode(identifier, payload), payload
    except OtherRelease as other:
        return None if other.document is None else (other.document, lookup.encode(other.document))
    except ValueError as error:
        REFUSED_VALUES.inc()
        why = str(error)[:LOGGED_CHARACTERS]  # it may name what it found
        logger.warning("Cache value refused", extra={"key": lookup.key(identifier), "error": why})
        return None


def _fill(lookup: Lookup[Document], identifiers: list[str], token: str) -> Reads[Document]:
    """Load entries under our leases, and store them (or that there is none) where that is allowed."""
    keys = [lookup.key(identifier) for identifier in identifiers]
    logger.info("Cache miss", extra=_describe(keys))
    try:
        loaded = load(lookup, identifiers)
    except BaseException:
        _give_back(keys, token)
        raise
    payloads = {identifier: _encode(lookup, entry) for identifier, entry in loaded.items()}
    asked_ns = monotonic_ns()
    stored = _store(lookup, loaded, payloads, token)
    return {
        identifier: _keep(
            lookup, identifier, entry.document, payloads[identifier], source=Source.DATABASE, asked_ns=asked_ns
        )
        if identifier in stored
        else Read(entry.document, payloads[identifier], Source.BYPASS)
        for identifier, entry in loaded.items()
    }


def _store(
    lookup: Lookup[Document], loaded: dict[str, Loaded[Document]], payloads: dict[str, bytes], token: str
) -> set[str]:
    """Fill what may be cached; gives the identifiers that are."""
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
    """Wait for values that others are loading, for at most `fill_wait_ms`; gives those that came."""
    deadline_ns = monotonic_ns() + int(left_seconds(get_options().fill_wait_ms / 1000) * 1e9)
    reads: Reads[Document] = {}
    waiting = list(identifiers)
    while waiting and monotonic_ns() < deadline_ns:
        time.sleep(FILL_POLL_SECONDS)
        asked_ns = monotonic_ns()
        try:
            reads |= read_payloads(lookup, waiting, get_payloads(lookup, waiting), asked_ns)
        except RedisError:
            break
        waiting = [identifier for identifier in waiting if identifier not in reads]
    return reads


def get_payloads(lookup: Lookup[Any], identifiers: Sequence[str]) -> list[bytes | None]:
    """
    What is stored in Redis, in one round trip; a key of another type counts as one that can't be decoded.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    client: Any = get_redis_client()
    if len(identifiers) > 1:
        return list(client.mget([value_key(lookup.key(identifier)) for identifier in identifiers]))
    try:
        return [client.get(value_key(lookup.key(identifier))) for identifier in identifiers]
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return [b""]


def _keep(
    lookup: Lookup[Document],
    identifier: str,
    document: Document | None,
    payload: bytes,
    *,
    source: Source,
    asked_ns: int,
) -> Read[Document]:
    copy = keep_copy(
        lookup.key(identifier),
        document,
        payload,
        asked_ns=asked_ns,
        stamp_key=lookup.stamp_key(identifier),
        rest_ns=int(lookup.rest_seconds * 1e9),
    )
    return Read(document, payload, source, (copy,) if copy else ())


def _encode(lookup: Lookup[Document], loaded: Loaded[Document]) -> bytes:
    return lookup.encode(loaded.document) if loaded.document is not None else b""


def _describe(keys: list[str]) -> dict[str, Any]:
    """Which keys a line in the log is about."""
    return {"key": keys[0]} if len(keys) == 1 else {"keys": keys[:10], "count": len(keys)}


def _absent_ttl_seconds() -> int:
    """How long it may be remembered that there is no such row; 0 if too many are already."""
    ttl_seconds = get_options().absent_ttl_seconds
    return ttl_seconds if ttl_seconds and absent.budget.allows() else 0


def _count_fills(lookup: Lookup[Any], not_cacheable: int, **outcomes: int) -> None:
    """Count what loading entries under leases came to; what was not stored was read past the cache."""
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
