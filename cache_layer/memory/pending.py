"""
This thread's unreleased writes, one per open transaction (or autocommitted save).

A thread that holds a key reads it from the database, so it sees its own uncommitted row; nobody else does.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from cache_layer import clock
from cache_layer.lookup import Entry
from cache_layer.memory.local_store import lease_end_ns, wait_out
from cache_layer.options import get_options


@dataclass(eq=False)
class HeldEntry:
    """
    One entry that a write holds.

    Attributes:
        holder: None if Redis has no hold for it.
        payload: the committed value to leave in Redis; empty to let the next reader fill it.
        changes: the outbox ids of the changes that its release covers.
    """

    entry: Entry
    holder: str | None
    alone: bool
    payload: bytes = b""
    changes: tuple[int, ...] = ()


@dataclass(eq=False)
class Write:
    """
    The entries held for one transaction of one database alias.

    Attributes:
        stamps: the holders of their stamps, which are held too, by key.
        drained_ns: `monotonic_ns()` after which no process has a copy of the held entries.
    """

    alias: str
    in_transaction: bool
    session: Any
    begun_ns: int
    entries: dict[str, HeldEntry] = field(default_factory=dict)
    stamps: dict[str, str | None] = field(default_factory=dict)
    budget_spent: bool = False
    drained_ns: int = 0

    def begin_drain(self) -> None:
        """Start the drain, since the newest hold is in force: in `local_lease_ms` no process has a copy any more."""
        self.drained_ns = lease_end_ns(clock.monotonic_ns())

    def drain(self) -> None:
        """Wait out the rest of the drain, if any."""
        left_ns = self.drained_ns - clock.monotonic_ns()
        if left_ns > 0:
            wait_out(left_ns)

    def is_in_doubt(self) -> bool:
        """Whether its database session is gone, so that a commit may have happened, or may still happen, unseen."""
        session = connections[self.alias].connection
        return self.session is None or session is not self.session or bool(session.closed)

    def is_open(self) -> bool:
        """Whether the transaction can still commit: Django drops the callbacks of rolled-back transactions."""
        if not self.in_transaction:
            return clock.monotonic_ns() - self.begun_ns < get_options().hold_ms * 1_000_000
        # Private in Django 5.2; noticed by test_a_hold_ends_with_its_own_transaction_and_nothing_else.
        return any(getattr(hook[1], "write", None) is self for hook in connections[self.alias].run_on_commit)


class _Writes(threading.local):
    def __init__(self) -> None:
        self.unreleased: list[Write] = []


_writes = _Writes()


def is_ours(key: str) -> bool:
    """Whether this thread is changing the rows behind `key`."""
    return bool(_writes.unreleased) and any(key in write.entries for write in _writes.unreleased)


def in_transaction(alias: str) -> bool:
    """Whether a change made now needs a commit; `on_commit` rejects transactions that Django does not manage."""
    connection = connections[alias]
    return connection.in_atomic_block or not connection.get_autocommit()


def find_write(alias: str) -> Write | None:
    """This thread's newest unreleased write on `alias`."""
    return next((write for write in reversed(_writes.unreleased) if write.alias == alias), None)


def drain_writes(alias: str) -> None:
    """Before a COMMIT on `alias`, wait until no process has a copy of what this thread's transaction changes."""
    for write in _writes.unreleased:
        if write.alias == alias:
            write.drain()


def begin_write(alias: str) -> Write:
    """Start a write on `alias` and remember it until `end_write`."""
    in_tx = in_transaction(alias)  # opens the connection
    write = Write(alias, in_tx, connections[alias].connection, clock.monotonic_ns())
    _writes.unreleased.append(write)
    return write


def end_write(write: Write) -> None:
    """Forget a write that has been released."""
    if write in _writes.unreleased:
        _writes.unreleased.remove(write)


def abandoned_writes(*, idle: bool) -> list[Write]:
    """This thread's writes whose transaction was rolled back; if it is `idle`, also failed autocommitted saves."""
    return [write for write in _writes.unreleased if (idle and not write.in_transaction) or not write.is_open()]
