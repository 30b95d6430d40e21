"""The read path: this process's memory, then Redis, then the database under a fill lease."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import connections, router
from redis.exceptions import RedisError

from cache_layer import clock
from cache_layer.activity import count_local_hit, count_read
from cache_layer.lookup import Entry, Lookup
from cache_layer.memory import pending
from cache_layer.memory.local_store import Copy, find_copy
from cache_layer.metrics import BYPASSES
from cache_layer.protocol.calls import BATCH_KEYS
from cache_layer.reading.answered import Read, Reads, Source, decode_stored, fetch_stored, read_database
from cache_layer.reading.fail_safe import DATABASE_AWAY, is_away, note_away, note_back, read_known, was_away
from cache_layer.reading.fills import read_missing, refresh_entries
from cache_layer.reading.refresh import find_due, is_time_to_ask

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")


def peek_copy(lookup: Lookup[Any], identifier: str) -> Copy | None:
    """This process's copy of an entry, if this thread may use it now; asks no server."""
    key = lookup.key(identifier)
    copy = find_copy(key)
    if copy is None or pending.is_ours(key):
        return None
    if lookup.counted:
        count_local_hit(key if copy.document is not None else "")
    return copy


def read_entry(lookup: Lookup[Document], identifier: str) -> Read[Document]:
    """Read one entry; see `CoherentLookup.read`."""
    copy = peek_copy(lookup, identifier)
    if copy is not None:
        _log_hits([copy.key], Source.LOCAL)
        return Read(copy.document, copy.payload, Source.LOCAL, (copy,))
    return _read_further(lookup, [Entry(lookup, identifier)])[identifier]


def read_entries(lookup: Lookup[Document], identifiers: Iterable[str]) -> Reads[Document]:
    """
    Read entries, each as by `read_entry`, with one `MGET`, and one script, one query and one script for all misses.

    Returns:
        The reads by identifier, in the order asked for, each identifier once.
    """
    wanted = list(dict.fromkeys(identifiers))
    copies = {identifier: copy for identifier in wanted if (copy := peek_copy(lookup, identifier)) is not None}
    _log_hits([copy.key for copy in copies.values()], Source.LOCAL)
    reads = {
        identifier: Read(copy.document, copy.payload, Source.LOCAL, (copy,)) for identifier, copy in copies.items()
    }
    rest = [Entry(lookup, identifier) for identifier in wanted if identifier not in copies]
    for start in range(0, len(rest), BATCH_KEYS):
        reads |= _read_further(lookup, rest[start : start + BATCH_KEYS])
    return {identifier: reads[identifier] for identifier in wanted}


def _read_further(lookup: Lookup[Document], entries: list[Entry]) -> Reads[Document]:
    """Read what is not in this process's memory; last known values, where allowed, while the database is down."""
    reads = read_known(entries) if is_away() and _may_be_stale(lookup, entries) else None
    if reads is None:
        try:
            reads = _read_engines(lookup, entries)
            if was_away() and any(read.source in (Source.DATABASE, Source.BYPASS) for read in reads.values()):
                note_back()
        except DATABASE_AWAY:
            reads = read_known(entries) if _may_be_stale(lookup, entries) else None
            note_away()
            if reads is None:
                raise
    for entry in entries if lookup.counted else ():
        read = reads[entry.identifier]
        count_read(read.source, entry.key if read.document is not None else "")
    return reads


def _read_engines(lookup: Lookup[Document], entries: list[Entry]) -> Reads[Document]:
    """Read from Redis or the database. A thread that holds a key reads its own uncommitted row."""
    ours = [entry for entry in entries if pending.is_ours(entry.key)]
    others = [entry for entry in entries if entry not in ours] if ours else entries
    reads: Reads[Document] = {}
    try:
        reads |= _read_redis(lookup, others)
    except RedisError as error:
        keys = [entry.key for entry in others]
        logger.info("Cache bypassed", extra={"keys": keys[:10], "count": len(keys), "reason": str(error)})
        BYPASSES.labels("redis").inc(len(others) * lookup.counted)
        ours = entries
    else:
        if ours:
            BYPASSES.labels("own_write").inc(len(ours) * lookup.counted)
    return reads | read_database(lookup, ours)


def _may_be_stale(lookup: Lookup[Any], entries: list[Entry]) -> bool:
    """Whether stale values may be read: not in a transaction or while holding a key, since a write may use them."""
    return not any(pending.is_ours(entry.key) for entry in entries) and not _is_in_transaction(lookup)


def _is_in_transaction(lookup: Lookup[Any]) -> bool:
    return bool(connections[router.db_for_write(lookup.model)].in_atomic_block)


def _read_redis(lookup: Lookup[Document], entries: list[Entry]) -> Reads[Document]:
    asked_ns = clock.monotonic_ns()
    payloads = fetch_stored(entries)
    reads: Reads[Document] = decode_stored(entries, payloads, asked_ns)
    found = [entry for entry in entries if entry.identifier in reads]
    _log_hits([entry.key for entry in found], Source.REDIS)
    to_ask = [entry for entry in found if is_time_to_ask(entry.key)]
    if to_ask and not _is_in_transaction(lookup):  # a refresh could break or delay the caller's transaction
        due = find_due([entry.key for entry in to_ask], lookup.ttl_seconds)
        reads |= refresh_entries(lookup, [entry for entry in to_ask if entry.key in due])
    rest: defaultdict[bool, list[Entry]] = defaultdict(list)
    for entry, payload in zip(entries, payloads, strict=True):
        if entry.identifier not in reads:
            rest[payload is not None].append(entry)
    for is_unreadable, those in rest.items():
        reads |= read_missing(lookup, those, replace=is_unreadable)
    return reads


def _log_hits(keys: list[str], source: Source) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        for key in keys:
            logger.debug("Cache hit", extra={"key": key, "source": source})
