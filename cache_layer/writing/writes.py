"""
The write path: hold, change, drain, commit, release.

    with atomic():
        hold_entries(...)       from here on nobody serves or fills the keys
        row.save()
                                before COMMIT, drain: no process has a copy left
    # after the commit: re-read and release; write through if alone
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from django.db import connections, transaction
from redis.exceptions import RedisError

from cache_layer import metrics
from cache_layer.activity import note_invalidated
from cache_layer.deadline import left_for_holds_seconds, tighten_to_commit_deadline
from cache_layer.errors import WriteRefused
from cache_layer.lookup import Entry, stamps_of
from cache_layer.memory import pending
from cache_layer.memory.local_store import drain, drop_copy
from cache_layer.memory.pending import HeldEntry, Write
from cache_layer.options import get_options
from cache_layer.protocol.scripts import Invalidated, hold_keys, invalidate_keys
from cache_layer.writing.attempts import is_gone, keep_trying
from cache_layer.writing.commit import DrainBeforeCommit
from cache_layer.writing.release import release_abandoned, release_write

logger = logging.getLogger("cache_layer")


class ReleaseOnCommit:
    """Django's `on_commit` callback; while Django keeps it, the transaction is still open."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.__qualname__ = type(self).__qualname__  # Django logs this name if it fails

    def __call__(self) -> None:
        release_write(self.write, committed=True)


def hold_entries(entries: Iterable[Entry], *, using: str) -> None:
    """
    Stop everyone from serving `entries` from the cache until the commit; call this before their rows change.

    COMMIT waits until no process can still use a copy. In autocommit mode, where the statement is the commit, this
    function waits instead, and the caller ends the write with `release_autocommitted`. Entries that this transaction
    already holds cost nothing.

    Raises:
        WriteRefused: Redis is silent and the write policy is `strict`.
    """
    release_abandoned()
    write = _current_write(using)
    if write.in_transaction:
        # Also for keys held already: rolling back a savepoint drops its callbacks.
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
    tighten_to_commit_deadline()
    write.begin_drain()
    if not (write.in_transaction and isinstance(connections[using], DrainBeforeCommit)):
        write.drain()


@contextmanager
def holding(entries: Sequence[Entry], *, using: str) -> Iterator[None]:
    """Run the block in a transaction that holds `entries`: one hold, one drain and one release for all."""
    try:
        with transaction.atomic(using=using):
            hold_entries(entries, using=using)
            yield
    finally:
        release_abandoned()


def invalidate_entries(entries: Sequence[Entry]) -> int:
    """Drop entries by hand; see `Entries.invalidate`."""
    keys = [entry.key for entry in entries]
    outcomes = invalidate_keys(keys, stamps_of(entries))
    note_invalidated([entry.key for entry in entries if entry.lookup.counted], "clear")
    for key in keys:
        drop_copy(key)
        logger.info("Cache invalidated", extra={"key": key, "cause": "clear"})
    drain()
    return sum(outcomes[key] is Invalidated.DROPPED for key in keys)


def _current_write(using: str) -> Write:
    """This transaction's write; in autocommit mode a new one, since this save may run in another's signals."""
    write = pending.find_write(using)
    if write is None or not (write.in_transaction and pending.in_transaction(using)):
        write = pending.begin_write(using)
    return write


def _place_holds(write: Write, keys: list[str]) -> tuple[str | None, dict[str, bool]]:
    """Take the holds; if Redis is gone or stays silent, go on without them if the policy allows it."""
    options = get_options()

    def hold() -> tuple[str, dict[str, bool]]:
        holder = uuid4().hex  # its own for each attempt: one that timed out may still run
        return holder, hold_keys(keys, holder)

    try:
        return keep_trying(hold, left_for_holds_seconds(options.write_budget_ms / 1000))
    except RedisError as error:
        if is_gone(error):
            metrics.UNHELD_WRITES.labels("refused").inc()
            return None, {}
        logger.error("Redis error", extra={"during": "hold", "keys": keys[:10], "error": str(error)})
        if options.write_policy == "strict":
            metrics.REFUSED_WRITES.inc()
            raise WriteRefused("Redis does not answer, so nothing was written. Try again later.") from error
        metrics.UNHELD_WRITES.labels("silent").inc()
        write.budget_spent = True
        return None, {}
