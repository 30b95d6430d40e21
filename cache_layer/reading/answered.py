"""Turns the replies of Redis and the database into reads."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from redis.exceptions import ResponseError

from cache_layer.errors import OtherRelease
from cache_layer.keys import value_key
from cache_layer.lookup import Entry, Loaded, Lookup, load
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
            `STALE` if it is the last known value and the database is down.
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


def fetch_stored(entries: Sequence[Entry]) -> list[bytes | None]:
    """
    The stored bytes, in one round trip; a key of another type counts as a value that can't be decoded.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    client: Any = get_redis_client()
    keys = [value_key(entry.key) for entry in entries]
    if len(keys) > 1:
        return list(client.mget(keys))
    try:
        return [client.get(key) for key in keys]
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return [b""]


def decode_stored(entries: Iterable[Entry], answers: Iterable[bytes | None], asked_ns: int) -> Reads[Any]:
    """The reads for Redis' replies that can be decoded."""
    reads: Reads[Any] = {}
    for entry, stored in zip(entries, answers, strict=True):
        if stored is not None and (found := decode(entry, stored)):
            document, payload, read_payload = found
            reads[entry.identifier] = keep_read(
                entry, document, payload, source=Source.REDIS, asked_ns=asked_ns, read_payload=read_payload
            )
    return reads


def read_database(lookup: Lookup[Document], entries: Sequence[Entry]) -> Reads[Document]:
    """Read entries from the database without caching them."""
    return uncached(load(lookup, [entry.identifier for entry in entries])) if entries else {}


def uncached(loaded: Mapping[str, Loaded[Document]]) -> Reads[Document]:
    """The reads for what was loaded, if it is not cached."""
    return {identifier: Read(each.document, each.payload, Source.BYPASS) for identifier, each in loaded.items()}


def decode(entry: Entry, stored: bytes) -> tuple[Any, bytes, bytes] | None:
    """
    Decode stored bytes into the document, the bytes this release would write for it, and the uncompressed bytes.

    None if an earlier release wrote it without some of our members; None, logged and counted, if it can't be decoded.
    """
    lookup = entry.lookup
    try:
        payload = unpack(stored)
        return lookup.decode(entry.identifier, payload), payload, payload
    except OtherRelease as other:
        return None if other.document is None else (other.document, lookup.payload_of(other.document), payload)
    except Exception as error:  # any kind: no bytes in Redis may fail a read
        REFUSED_VALUES.inc()
        why = f"{type(error).__name__}: {error}"[:LOGGED_CHARACTERS]  # it may quote the value
        logger.warning("Cache value refused", extra={"key": entry.key, "error": why})
        return None


def keep_read(
    entry: Entry, document: Any, payload: bytes, *, source: Source, asked_ns: int, read_payload: bytes = b""
) -> Read[Any]:
    """A read, stored as a copy in memory (leased from `asked_ns`) if allowed."""
    rest_ns = int(entry.lookup.rest_seconds * 1e9)
    copy = keep_copy(Copy(entry.key, document, payload, read_payload, entry.stamp_key, rest_ns), asked_ns)
    return Read(document, payload, source, (copy,) if copy else ())
