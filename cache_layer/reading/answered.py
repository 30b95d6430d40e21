"""Turns the replies of Redis and the database into reads."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from redis.exceptions import ResponseError

from cache_layer.errors import OtherRelease
from cache_layer.keys import value_key
from cache_layer.lookup import Loaded, Lookup, load
from cache_layer.memory.local_store import Copy, keep_copy
from cache_layer.metrics import REFUSED_VALUES
from cache_layer.protocol.packing import unpack
from cache_layer.server.connection import get_redis_client

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")

LOGGED_CHARACTERS = 200


class Source(StrEnum):
    """Where a document came from; the values of the `X-Cache` header."""

    LOCAL = "L1"
    REDIS = "L2"
    DATABASE = "DB"
    BYPASS = "BYPASS"
    STALE = "STALE"


class Read(NamedTuple, Generic[Document]):
    """
    The result of one read.

    Attributes:
        document: None if there is no such entry.
        payload: the document's uncompressed bytes, as stored in Redis or as this release would store them; empty if
            there is no document.
        source: `DATABASE` if it was read there and cached, `BYPASS` if it was read there and must not be cached,
            `STALE` if it is the last known value and the database is away.
        copies: the copies in memory it is made of; a response may be replayed while their leases last. Empty if it must
            not be replayed.
    """

    document: Document | None
    payload: bytes
    source: Source
    copies: tuple[Copy, ...] = ()

    @staticmethod
    def copies_of(reads: Sequence[Read[Any]]) -> tuple[Copy, ...]:
        """The copies that these reads are made of; empty if any of them must not be replayed."""
        copies = [read.copies for read in reads]
        return tuple(chain.from_iterable(copies)) if all(copies) else ()


Reads = dict[str, Read[Document]]


def fetch_stored(lookup: Lookup[Any], identifiers: Sequence[str]) -> list[bytes | None]:
    """
    The stored bytes, in one round trip; a key of another type counts as a value that can't be decoded.

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


def decode_stored(
    lookup: Lookup[Document], identifiers: Iterable[str], answers: Iterable[bytes | None], asked_ns: int
) -> Reads[Document]:
    """The reads for Redis' replies that can be decoded."""
    reads: Reads[Document] = {}
    for identifier, stored in zip(identifiers, answers, strict=True):
        if stored is None:
            continue
        found = decode(lookup, identifier, stored)
        if found is not None:
            document, payload, read_payload = found
            reads[identifier] = keep_read(
                lookup,
                identifier,
                document,
                payload,
                source=Source.REDIS,
                asked_ns=asked_ns,
                read_payload=read_payload,
            )
    return reads


def read_database(lookup: Lookup[Document], identifiers: Sequence[str]) -> Reads[Document]:
    """Read entries from the database without caching them."""
    if not identifiers:
        return {}
    return {
        identifier: Read(loaded.document, encode_loaded(lookup, loaded), Source.BYPASS)
        for identifier, loaded in load(lookup, identifiers).items()
    }


def decode(lookup: Lookup[Document], identifier: str, stored: bytes) -> tuple[Document, bytes, bytes] | None:
    """
    Decode stored bytes into the document, the bytes this release would write for it, and the uncompressed bytes.

    None if an older release wrote it without some of our members; None, and a log line, if it is not a document.
    """
    try:
        payload = unpack(stored)
        return lookup.decode(identifier, payload), payload, payload
    except OtherRelease as other:
        return None if other.document is None else (other.document, lookup.payload_of(other.document), payload)
    except Exception as error:  # any kind: no bytes in Redis may fail a read
        REFUSED_VALUES.inc()
        why = f"{type(error).__name__}: {error}"[:LOGGED_CHARACTERS]  # it may quote the value
        logger.warning("Cache value refused", extra={"key": lookup.key(identifier), "error": why})
        return None


def keep_read(
    lookup: Lookup[Document],
    identifier: str,
    document: Document | None,
    payload: bytes,
    *,
    source: Source,
    asked_ns: int,
    read_payload: bytes = b"",
) -> Read[Document]:
    """A read, stored as a copy in memory (leased from `asked_ns`) if allowed."""
    rest_ns = int(lookup.rest_seconds * 1e9)
    fresh = Copy(lookup.key(identifier), document, payload, read_payload, lookup.stamp_key(identifier), rest_ns)
    copy = keep_copy(fresh, asked_ns)
    return Read(document, payload, source, (copy,) if copy else ())


def encode_loaded(lookup: Lookup[Document], loaded: Loaded[Document]) -> bytes:
    """The document's bytes; empty if there is none."""
    return lookup.payload_of(loaded.document) if loaded.document is not None else b""
