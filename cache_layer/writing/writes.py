"""
The write path: hold, change, drain, commit, release.

    with atomic():
        hold_entries(...)       nobody caches the keys from here on
        row.save()
                                before the COMMIT: the drain; no process has a copy left
    # on commit: re-read, release; write through if alone
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from time import monotonic_ns
from uuid import uuid4

from django.db import DatabaseError, connections, transaction
from redis.exceptions import RedisError

from cache_layer import metrics
from cache_layer.activity import note_invalidated, note_stored
from cache_layer.deadline import left_for_holds_seconds, left_seconds, must_commit, releasing
from cache_layer.errors import CacheUnavailable, WriteRefused
from cache_layer.lookup import Entry
from cache_layer.memory import pending
from cache_layer.memory.local_store import drain, drop_copy
from cache_layer.memory.pending import HeldEntry, Write
from cache_layer.options import get_options
from cache_layer.origin import current_origin
from cache_layer.protocol.scripts import Invalidated, Release, Released, hold_keys, invalidate_keys, release_keys
from cache_layer.writing.commit import waits_at_commit
from cache_layer.writing.outbox import forget_changes
from cache_layer.writing.write_through import CommittedRow, read_back

logger = logging.getLogger("cache_layer")

RETRY_SECONDS = 0.05

Held = dict[str, HeldEntry]


class ReleaseOnCommit:
    """Django's `on_commit` callback; its presence among the callbacks tells that the transaction is still open."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.__qualname__ = type(self).__qualname__  # Django names it in the log if it fails

    def __call__(self) -> None:
        release_write(self.write, committed=True)


def hold_entries(entries: Iterable[Entry], *, using: str) -> None:
    """
    Before rows change: stop everyone from serving `entries` from the cache, until commit.

    The COMMIT waits until no process can still use a copy in its memory; in autocommit mode, where the statement is
    the commit, this does, and the caller ends the write by `release_autocommitted`. Entries this transaction holds
    already cost nothing.

    Raises:
        WriteRefused: Redis is silent and the write policy is `strict`.
    """
    release_abandoned()
    write = _current_write(using)
    if write.in_transaction:
        # Also for keys held already: a savepoint that is rolled back takes its callback with it.
        transaction.on_commit(ReleaseOnCommit(write), using=using, robust=True)
    fresh = {entry.key: entry for entry in entries if entry.key not in write.entries}
    if not fresh:
        return
    stamps = {key for key in stamps_of(fresh.values()) if write.stamps.get(key) is None}
    holder, alone = _place_holds(write, [*fresh, *stamps])
    for key, entry in fresh.items():
        write.entries[key] = HeldEntry(entry, holder, alone.get(key, False))
    write.stamps |= dict.fromkeys(stamps, holder)
    if holder is not None:
        metrics.HOLDS.inc(len(fresh))
    must_commit()
    write.begin_drain()
    if not (write.in_transaction and waits_at_commit(using)):
        write.drain()


@contextmanager
def writing(entries: Sequence[Entry], *, using: str) -> Iterator[None]:
    """One transaction that changes the rows behind `entries`: one hold, one drain, one release for all."""
    try:
        with transaction.atomic(using=using):
            hold_entries(entries, using=using)
            yield
    finally:
        release_abandoned()


def release_autocommitted(*, using: str) -> None:
    """After a row changed in autocommit mode: it is committed, so the hold can end."""
    write = pending.find_write(using)
    if write is not None and not write.in_transaction:
        release_write(write, committed=True)


def release_abandoned(*, idle: bool = False) -> None:
    """
    End the holds of this thread's rolled-back transactions and, if it is `idle`, of its failed autocommitted saves.

    Unreleased they would lapse after `hold_ms`. Where the database session was lost, a commit may still happen: those
    holds stay.
    """
    for write in pending.abandoned_writes(idle=idle):
        if write.is_in_doubt():
            pending.end_write(write)
        else:
            release_write(write, committed=False)


def release_write(write: Write, *, committed: bool) -> None:
    """
    End a write's holds, leaving the committed values where it was the only writer.

    What Redis could not be told stays in the outbox, and the relay tells it.
    """
    held, write.entries = write.entries, {}
    if not held:
        pending.end_write(write)
        return
    with releasing():
        _release(write, held, committed=committed)


def stamps_of(entries: Iterable[Entry]) -> set[str]:
    """The keys of the stamps that vouch for `entries`."""
    return {entry.stamp_key for entry in entries} - {""}


def _release(write: Write, held: Held, *, committed: bool) -> None:
    commit_seen = committed and not connections[write.alias].in_atomic_block  # in a TestCase nothing is committed
    if committed and not commit_seen:
        write.drain()
    committed_rows = read_back(held, write.alias) if commit_seen else {}
    pending.end_write(write)
    try:
        told = _tell_redis(write, held, committed_rows)
    except RedisError as error:
        metrics.UNTOLD_RELEASES.inc(len(held))
        logger.error("Redis error", extra={"during": "release", "keys": list(held)[:10], "error": str(error)})
        drain()
        return
    if commit_seen:
        _forget_changes(list(chain.from_iterable(row.changes for row in committed_rows.values())), write.alias)
    if committed:
        _tell_people({key: outcome for key, outcome in told.items() if held[key].entry.lookup.counted})


def invalidate_entries(entries: Iterable[Entry]) -> int:
    """
    Drop entries by hand; when this returns no process serves what it replaced.

    Returns:
        How many had a value in Redis.
    Raises:
        CacheUnavailable: Redis did not answer: nothing is certain, try again.
    """
    entries = list(entries)
    keys = [entry.key for entry in entries]
    outcomes = invalidate_keys(keys, stamps_of(entries))
    note_invalidated([entry.key for entry in entries if entry.lookup.counted], "clear")
    for key in keys:
        drop_copy(key)
        logger.info("Cache invalidated", extra={"key": key, "cause": "clear"})
    drain()
    return sum(outcome is Invalidated.DROPPED for outcome in outcomes.values())


def _current_write(using: str) -> Write:
    """This transaction's write. In autocommit mode a new one: this save may be inside another's signals."""
    write = pending.find_write(using)
    if write is None or not (write.in_transaction and pending.in_transaction(using)):
        write = pending.begin_write(using)
    return write


def _place_holds(write: Write, keys: list[str]) -> tuple[str | None, dict[str, bool]]:
    """Take the holds; if Redis is gone or stays silent, go on without where the policy allows it."""
    options = get_options()
    deadline_ns = monotonic_ns() + int(left_for_holds_seconds(options.write_budget_ms / 1000) * 1e9)
    while True:
        holder = uuid4().hex
        try:
            return holder, hold_keys(keys, holder)
        except RedisError as error:
            if isinstance(error, CacheUnavailable) and error.refused:
                # The server is gone: when it comes back the run-id guard purges what it held.
                metrics.UNHELD_WRITES.labels("refused").inc()
                return None, {}
            if monotonic_ns() >= deadline_ns:
                logger.error("Redis error", extra={"during": "hold", "keys": keys[:10], "error": str(error)})
                if options.write_policy == "strict":
                    metrics.REFUSED_WRITES.inc()
                    raise WriteRefused("Redis does not answer, so nothing was written. Try again later.") from error
                metrics.UNHELD_WRITES.labels("silent").inc()
                write.budget_spent = True
                return None, {}
        time.sleep(RETRY_SECONDS)


def _tell_redis(write: Write, held: Held, committed_rows: dict[str, CommittedRow]) -> dict[str, Released]:
    """
    Release what is held, invalidate what could not be, and wait once more where a hold was not there.

    Returns:
        How each entry's hold ended.
    Raises:
        RedisError: Redis refused, or did not do it within the whole write budget.
    """
    nothing = CommittedRow()
    rows = {key: committed_rows.get(key, nothing) for key in held}
    releases = [
        Release(key, each.holder, each.alone, rows[key].payload, each.entry.lookup.ttl_seconds, rows[key].changes)
        for key, each in held.items()
        if each.holder is not None
    ]
    stamps = [Release(key, holder) for key, holder in write.stamps.items() if holder is not None]
    unheld = [key for key, each in held.items() if each.holder is None]
    unheld_stamps = stamps_of(held[key].entry for key in unheld)
    budget_ms = 0 if write.budget_spent else get_options().write_budget_ms
    deadline_ns = monotonic_ns() + int(left_seconds(budget_ms / 1000) * 1e9)
    while True:
        try:
            if unheld:  # before their stamps are released
                invalidate_keys(unheld, unheld_stamps)
            outcomes = release_keys(releases, stamps)
            break
        except RedisError as error:  # also a server that answers, but has no memory or replicas just now
            if (isinstance(error, CacheUnavailable) and error.refused) or monotonic_ns() >= deadline_ns:
                raise
            time.sleep(RETRY_SECONDS)
    for release in releases:
        metrics.HOLDS_ENDED.labels(outcomes[release.key].name.lower()).inc()
    lost = [key for key, outcome in outcomes.items() if outcome is Released.LOST]
    if lost:
        logger.warning("Hold lost", extra={"keys": lost[:10], "count": len(lost)})
    if lost or unheld:
        drain()
    return {key: outcomes[key] for key in held if key in outcomes} | dict.fromkeys(unheld, Released.LOST)


def _tell_people(told: dict[str, Released]) -> None:
    """Count and log what a committed write did to the cache."""
    cause = current_origin()
    stored = [key for key, outcome in told.items() if outcome is Released.STORED]
    note_invalidated(list(told), cause)
    note_stored(stored)
    for key in told:
        logger.info("Cache invalidated", extra={"key": key, "cause": cause})
    for key in stored:
        logger.info("Cache populated", extra={"key": key, "cause": cause})


def _forget_changes(changes: list[int], using: str) -> None:
    try:
        forget_changes(changes, using=using)
    except DatabaseError as error:
        logger.warning("Outbox left to the relay", extra={"error": str(error)})
