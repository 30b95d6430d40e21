"""The read path: this process's memory, then Redis, then the database under a fill lease."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from enum import StrEnum
from time import monotonic_ns
from typing import Any, Generic, NamedTuple, TypeVar

from redis.exceptions import RedisError, ResponseError

from cache_layer import absent, pending
from cache_layer.connection import get_redis_client
from cache_layer.local_store import find_copy, keep_copy
from cache_layer.lookup import Loaded, Lookup, load
from cache_layer.options import get_options
from cache_layer.scripts import Claim, claim_fill, fill_absent, fill_entry, give_back_lease

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")

FILL_POLL_SECONDS = 0.005


class Source(StrEnum):
    """Where an answer came from; the values of the `X-Cache` header."""

    LOCAL = "L1"
    REDIS = "L2"
    DATABASE = "DB"
    BYPASS = "BYPASS"


class Read(NamedTuple, Generic[Document]):
    """
    One answered read.

    Attributes:
        document: None if there is no such entry.
        payload: the document's bytes, as they are in Redis; empty if there is no document.
        source: `DATABASE` if it was read there and cached, `BYPASS` if it was read there and must not be cached.
    """

    document: Document | None
    payload: bytes
    source: Source


def read_entry(lookup: Lookup[Document], identifier: str) -> Read[Document]:
    """
    Read one entry: never older than the last write that returned before this call.

    Without Redis it is read from the database, after at most one command's time-out.
    """
    key = lookup.key(identifier)
    if pending.is_ours(key):
        return _read_database(lookup, identifier)
    copy = find_copy(key)
    if copy is not None:
        logger.debug("Cache hit", extra={"key": key, "source": Source.LOCAL})
        return Read(copy.document, copy.payload, Source.LOCAL)
    try:
        return _read_redis(lookup, identifier, key)
    except RedisError as error:
        logger.info("Cache bypassed", extra={"key": key, "reason": str(error)})
        return _read_database(lookup, identifier)


def read_cached(lookup: Lookup[Document], identifiers: Sequence[str]) -> dict[str, Document]:
    """
    The documents among `identifiers` that Redis has, in one round trip; nothing is loaded.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    if not identifiers:
        return {}
    payloads: Any = get_redis_client().mget([lookup.key(identifier) for identifier in identifiers])
    documents = {
        identifier: _decode(lookup, identifier, payload)
        for identifier, payload in zip(identifiers, payloads, strict=True)
    }
    return {identifier: document for identifier, document in documents.items() if document is not None}


def store_entry(lookup: Lookup[Document], identifier: str, document: Document) -> bool:
    """Put a document into Redis, unless a writer holds its key or another reader is filling it."""
    key, token = lookup.key(identifier), secrets.token_hex(8)
    claim, _ = claim_fill(key, token, replace=True)
    return claim is Claim.LEASE and fill_entry(key, token, lookup.encode(document), lookup.ttl_seconds)


def warm_entries(lookup: Lookup[Any], identifiers: Iterable[str]) -> Iterable[tuple[str, Source]]:
    """Fill what is not cached yet, one entry after the other; yields each identifier and where it was found."""
    for identifier in identifiers:
        yield identifier, read_entry(lookup, identifier).source


def _read_redis(lookup: Lookup[Document], identifier: str, key: str) -> Read[Document]:
    asked_ns = monotonic_ns()
    payload = _get(key)
    document = _decode(lookup, identifier, payload)
    if document is None:
        token = secrets.token_hex(8)
        asked_ns = monotonic_ns()
        claim, appeared = claim_fill(key, token, replace=payload is not None)
        if claim is Claim.LEASE:
            return _fill(lookup, identifier, key, token)
        if claim is Claim.ABSENT:
            keep_copy(key, None, b"", asked_ns=asked_ns)
            return Read(None, b"", Source.REDIS)
        if claim is Claim.FILLING:
            asked_ns, appeared = _wait_for_fill(key)
        payload, document = appeared, _decode(lookup, identifier, appeared)
        if document is None:
            return _read_database(lookup, identifier)
    assert payload is not None  # noqa: S101 - a document was decoded from it
    keep_copy(key, document, payload, asked_ns=asked_ns)
    logger.debug("Cache hit", extra={"key": key, "source": Source.REDIS})
    return Read(document, payload, Source.REDIS)


def _fill(lookup: Lookup[Document], identifier: str, key: str, token: str) -> Read[Document]:
    """Load an entry under our lease, and store it (or its absence) where that is allowed."""
    logger.info("Cache miss", extra={"key": key})
    try:
        loaded = load(lookup, identifier)
    except BaseException:
        with contextlib.suppress(RedisError):
            give_back_lease(key, token)
        raise
    payload = lookup.encode(loaded.document) if loaded.document is not None else b""
    asked_ns = monotonic_ns()
    try:
        stored = _store(lookup, key, token, loaded, payload)
    except RedisError as error:
        logger.warning("Cache fill failed", extra={"key": key, "error": str(error)})
        stored = False
    if stored:
        keep_copy(key, loaded.document, payload, asked_ns=asked_ns)
    return Read(loaded.document, payload, Source.DATABASE if stored else Source.BYPASS)


def _store(lookup: Lookup[Document], key: str, token: str, loaded: Loaded[Document], payload: bytes) -> bool:
    options = get_options()
    if not loaded.may_be_cached:
        give_back_lease(key, token)
        return False
    if payload:
        stored = fill_entry(key, token, payload, lookup.ttl_seconds)
        if stored:
            logger.info("Cache populated", extra={"key": key, "ttl_seconds": lookup.ttl_seconds, "bytes": len(payload)})
        return stored
    if options.absent_ttl_seconds and absent.budget.allows():
        return fill_absent(key, token, options.absent_ttl_seconds)
    give_back_lease(key, token)
    return False


def _wait_for_fill(key: str) -> tuple[int, bytes | None]:
    """Wait for the value another reader is loading; None if it takes longer than `fill_wait_ms`."""
    deadline_ns = monotonic_ns() + get_options().fill_wait_ms * 1_000_000
    while (asked_ns := monotonic_ns()) < deadline_ns:
        time.sleep(FILL_POLL_SECONDS)
        asked_ns = monotonic_ns()
        payload = _get(key)
        if payload is not None:
            return asked_ns, payload
    return asked_ns, None


def _get(key: str) -> bytes | None:
    """The bytes under `key`; a key of another type counts as one that can't be decoded."""
    try:
        payload: Any = get_redis_client().get(key)
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return b""
    return payload  # type: ignore[no-any-return] # redis-py types GET for both of its decoding modes


def _decode(lookup: Lookup[Document], identifier: str, payload: bytes | None) -> Document | None:
    if payload is None:
        return None
    try:
        return lookup.decode(identifier, payload)
    except ValueError as error:
        logger.warning("Cache value refused", extra={"key": lookup.key(identifier), "error": str(error)})
        return None


def _read_database(lookup: Lookup[Document], identifier: str) -> Read[Document]:
    document = load(lookup, identifier).document
    payload = lookup.encode(document) if document is not None else b""
    return Read(document, payload, Source.BYPASS)
