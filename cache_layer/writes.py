"""
The write path: hold, drain, change, commit, release.

    with atomic():
        hold_entries(...)       nobody caches the keys from here on; no process has a copy left when it returns
        row.save()
    # on commit: re-read, release; write through if alone
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic_ns
from typing import Any

from django.db import DatabaseError, connections, transaction
from redis.exceptions import RedisError

from cache_layer import pending
from cache_layer.connection import get_redis_client
from cache_layer.errors import CacheUnavailable, WriteRefused
from cache_layer.local_store import drop_copy
from cache_layer.lookup import Lookup, load
from cache_layer.options import get_options
from cache_layer.pending import HeldEntry, Write
from cache_layer.scripts import (
    BATCH_KEYS,
    Release,
    Released,
    WriteThrough,
    hold_keys,
    invalidate_keys,
    release_keys,
)

logger = logging.getLogger("cache_layer")

HOLD_RETRY_SECONDS = 0.05
WRITE_THROUGH_KEYS = 16
"""Above this many keys a writer leaves the values to the next readers."""

Entry = tuple[Lookup[Any], str]


class ReleaseOnCommit:
    """Django's `on_commit` callback; its presence among the callbacks tells that the transaction is still open."""

    def __init__(self, write: Write) -> None:
        self.write = write

    def __call__(self) -> None:
        release_write(self.write, committed=True)


def hold_entries(entries: Iterable[Entry], *, using: str) -> None:
    """
    Before rows change: stop everyone from serving `entries` from the cache, until commit.

    Returns when no process can still use a copy in its memory, `local_lease_ms` after the hold. Entries this
    transaction holds already cost nothing. In autocommit mode the caller ends the write by `release_autocommitted`.

    Raises:
        WriteRefused: Redis is silent and the write policy is `strict`.
    """
    release_abandoned()
    write = _current_write(using)
    if write.in_transaction:
        # Also for keys held already: a savepoint that is rolled back takes its callback with it.
        transaction.on_commit(ReleaseOnCommit(write), using=using, robust=True)
    fresh = {lookup.key(identifier): (lookup, identifier) for lookup, identifier in entries}
    fresh = {key: entry for key, entry in fresh.items() if key not in write.entries}
    if not fresh:
        return
    alone, placed = _place_holds(list(fresh), write)
    for key, (lookup, identifier) in fresh.items():
        write.entries[key] = HeldEntry(lookup, identifier, alone.get(key, False), placed)
    _drain()


def release_autocommitted(*, using: str) -> None:
    """After a row changed in autocommit mode: it is committed, so the hold can end."""
    write = pending.find_write(using)
    if write is not None and not write.in_transaction:
        release_write(write, committed=True)


def release_abandoned() -> None:
    """End the holds of this thread's rolled-back transactions; unreleased they would lapse after `hold_ms`."""
    for write in pending.abandoned_writes():
        release_write(write, committed=False)


def release_write(write: Write, *, committed: bool) -> None:
    """
    End a write's holds, leaving the committed values where it was the only writer.

    What cannot be told to Redis now is told as soon as it answers again; only then may readers have seen an old value
    from a server that was silent to this process but not to them.
    """
    values = _reread(write) if committed else {}
    entries, write.entries = write.entries, {}
    pending.end_write(write)
    if not entries:
        return
    keys = list(entries)
    if not all(entry.placed for entry in entries.values()):
        invalidate_when_possible(keys)
        _drain()
        return
    releases = [Release(key, entry.alone, values.get(key)) for key, entry in entries.items()]
    try:
        outcomes = release_keys(releases, write.writer)
    except RedisError as error:
        # The values are gone since the hold, and the holds lapse by themselves.
        logger.warning("Redis error", extra={"during": "release", "keys": keys[:10], "error": str(error)})
        _drain()
        return
    if Released.LOST in outcomes.values():
        lost = [key for key, outcome in outcomes.items() if outcome is Released.LOST]
        logger.warning("Hold lost", extra={"keys": lost[:10], "count": len(lost)})
        _drain()
    if committed:
        _log_invalidated(outcomes)


def invalidate_entries(entries: Iterable[Entry]) -> int:
    """
    Drop entries by hand; when this returns no process serves what it replaced.

    Returns:
        How many had a value in Redis.
    Raises:
        CacheUnavailable: Redis did not answer: nothing is certain, try again.
    """
    keys = [lookup.key(identifier) for lookup, identifier in entries]
    dropped = invalidate_keys(keys)
    for key in keys:
        drop_copy(key)
    _drain()
    for key in keys[:BATCH_KEYS]:
        logger.info("Cache invalidated", extra={"key": key, "cause": "manual"})
    return dropped


def clear_entries(lookup: Lookup[Any]) -> int:
    """
    Drop every entry of a lookup, by SCAN and UNLINK in batches; holds stay in force.

    Returns:
        How many values were dropped.
    """
    dropped = 0
    for batch in scan_keys(lookup, companions=True):
        dropped += invalidate_keys(batch)
        for key in batch:
            drop_copy(key)
    _drain()
    logger.info("Cache cleared", extra={"lookup": lookup.name, "count": dropped})
    return dropped


def scan_keys(lookup: Lookup[Any], *, companions: bool = False) -> Iterator[list[str]]:
    """
    The keys of a lookup's values, in batches.

    Args:
        companions: also keys that have no value but a lease: someone is filling them.
    """
    glob = f"*{lookup.key_glob()}*" if companions else lookup.key_glob()
    batch: set[str] = set()
    for raw in get_redis_client().scan_iter(match=glob, count=1000):
        batch.add(raw.decode(errors="surrogateescape").split("}:")[0].removeprefix("{"))
        if len(batch) >= BATCH_KEYS:
            yield list(batch)
            batch = set()
    if batch:
        yield list(batch)


@contextmanager
def writing(entries: Sequence[Entry], *, using: str) -> Iterator[None]:
    """One transaction that changes the rows behind `entries`: one hold, one drain, one release for all."""
    try:
        with transaction.atomic(using=using):
            hold_entries(entries, using=using)
            yield
    finally:
        release_abandoned()


def _current_write(using: str) -> Write:
    """This transaction's write; an autocommitted one that failed is ended first."""
    write = pending.find_write(using)
    if write is not None and write.in_transaction is not pending.in_transaction(using):
        release_write(write, committed=False)
        write = None
    return write or pending.begin_write(using)


def _place_holds(keys: list[str], write: Write) -> tuple[dict[str, bool], bool]:
    """Take the holds; if Redis is gone or stays silent, go on without where the policy allows it."""
    options = get_options()
    deadline_ns = monotonic_ns() + options.write_budget_ms * 1_000_000
    while True:
        try:
            return hold_keys(keys, write.writer), True
        except RedisError as error:
            if isinstance(error, CacheUnavailable) and error.refused:
                # The server is gone: when it comes back the run-id guard purges what it held.
                return {}, False
            if monotonic_ns() >= deadline_ns:
                logger.error("Redis error", extra={"during": "hold", "keys": keys[:10], "error": str(error)})
                if options.write_policy == "strict":
                    raise WriteRefused("Redis does not answer, so nothing was written. Try again later.") from error
                return {}, False
        time.sleep(HOLD_RETRY_SECONDS)


def _reread(write: Write) -> dict[str, WriteThrough]:
    """The committed values of the keys this write may leave in the cache."""
    values: dict[str, WriteThrough] = {}
    if len(write.entries) > WRITE_THROUGH_KEYS or connections[write.alias].in_atomic_block:
        return values
    for key, entry in write.entries.items():
        if entry.alone and entry.lookup.write_through:
            try:
                loaded = load(entry.lookup, entry.identifier)
            except DatabaseError as error:
                logger.warning("Write-through skipped", extra={"key": key, "error": str(error)})
                continue
            if loaded.document is not None and loaded.may_be_cached:
                values[key] = WriteThrough(entry.lookup.encode(loaded.document), entry.lookup.ttl_seconds)
    return values


def _drain() -> None:
    """Wait until every copy made before now has reached the end of its local lease, in every process."""
    time.sleep(get_options().local_lease_ms / 1000)


def _log_invalidated(outcomes: dict[str, Released]) -> None:
    for key, outcome in outcomes.items():
        logger.info("Cache invalidated", extra={"key": key, "cause": "write"})
        if outcome is Released.STORED:
            logger.info("Cache populated", extra={"key": key, "cause": "write"})


_unconfirmed: set[str] = set()
_unconfirmed_lock = threading.Lock()


def invalidate_when_possible(keys: Sequence[str]) -> None:
    """Invalidate keys whose holds Redis never heard of: now, or from a thread that tries until Redis answers."""
    with _unconfirmed_lock:
        first = not _unconfirmed
        _unconfirmed.update(keys)
    if not _try_invalidate_unconfirmed() and first:
        threading.Thread(target=_invalidate_until_confirmed, name="cache-invalidation", daemon=True).start()


def unconfirmed_invalidations() -> int:
    """How many committed changes this process could not tell Redis about yet: a health figure."""
    return len(_unconfirmed)


def _try_invalidate_unconfirmed() -> bool:
    with _unconfirmed_lock:
        keys = sorted(_unconfirmed)
    try:
        invalidate_keys(keys)
    except RedisError as error:
        logger.warning("Redis error", extra={"during": "invalidate", "keys": keys[:10], "error": str(error)})
        return False
    with _unconfirmed_lock:
        _unconfirmed.difference_update(keys)
    for key in keys:
        logger.info("Cache invalidated", extra={"key": key, "cause": "write, late"})
    return True


def _invalidate_until_confirmed() -> None:
    wait_seconds = HOLD_RETRY_SECONDS
    while _unconfirmed and not _try_invalidate_unconfirmed():
        time.sleep(wait_seconds)
        wait_seconds = min(wait_seconds + HOLD_RETRY_SECONDS, 2.0)
