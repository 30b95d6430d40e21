"""
The relay: tells the cache of changes made behind Django's back.

Triggers write every change of a coherent table to the outbox and NOTIFY. The relay drops the keys from the cache, then
the rows from the outbox: nothing is lost when it, Redis or PostgreSQL is away for a while. Several may run; the one
that has the advisory lock works. A key that a Django writer holds is left until its release, which mostly takes the
change off the outbox itself; not one for which writers leave no value, since such a key may be held without a gap.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import Any, NamedTuple

from django.db import DatabaseError, connections
from django.db.models.functions import Now
from redis.exceptions import RedisError

from cache_layer.activity import note_invalidated
from cache_layer.audit import audit_cache
from cache_layer.clearing import clear_entries
from cache_layer.keys import CHANGES_CHANNEL, RELAY_LOCK
from cache_layer.lookup import Lookup, parts_of_table
from cache_layer.metrics import RELAY_LAG_SECONDS, RELAY_WORKING, RELAYED_CHANGES
from cache_layer.models import Change
from cache_layer.options import get_options
from cache_layer.outbox import forget_changes
from cache_layer.scripts import Invalidated, invalidate_keys

logger = logging.getLogger("cache_layer")

BATCH_CHANGES = 1_000
POLL_SECONDS = 1.0
"""How often the outbox is looked at without a NOTIFY, and how often a second relay asks for the lock."""
HELD_SECONDS = 0.02
"""How soon a change behind a held key is looked at again."""
RECONNECT_LIMIT_SECONDS = 2.0


def run_relay(stop: Event, *, using: str = "default") -> None:
    """Relay until `stop` is set; reconnects to PostgreSQL and Redis for as long as it takes."""
    failures, audited = 0, monotonic()
    while not stop.is_set():
        try:
            with _listening(using), _only_relay(stop, using) as ours:
                RELAY_WORKING.set(ours)
                if ours:
                    logger.info("Relay working")
                while ours and not stop.is_set():
                    left = relay_changes(using=using)
                    failures = 0
                    audited = _audit_when_due(audited)
                    _wait_for_changes(using, HELD_SECONDS if left else POLL_SECONDS)
        except (DatabaseError, RedisError) as error:
            failures += 1
            RELAY_WORKING.set(0)
            logger.warning("Relay interrupted", extra={"error": str(error)})
            connections[using].close()
            stop.wait(min(failures * 0.05, RECONNECT_LIMIT_SECONDS))


def relay_changes(*, using: str = "default") -> int:
    """
    Invalidate what the outbox names, and take it off.

    Returns:
        How many changes had to be left: a writer holds their keys, or they are on a node of a cluster that fails.
    Raises:
        CacheUnavailable: Redis did not answer; what was not told is still in the outbox.
    """
    left, last = 0, 0
    whole_tables: list[Any] = []
    while True:
        changes: list[Any] = list(
            Change.objects.using(using).filter(id__gt=last).annotate(now=Now()).order_by("id")[:BATCH_CHANGES]
        )
        if not changes:
            break
        last = changes[-1].id
        rows = [change for change in changes if change.field]
        told = _tell_cache(rows)
        forget_changes([change.id for change in told], using=using)
        left += len(rows) - len(told)
        whole_tables += [change for change in changes if not change.field]
    if whole_tables:  # last: that needs every node of a cluster
        _tell_of_tables(whole_tables)
        forget_changes([change.id for change in whole_tables], using=using)
    return left


def _tell_cache(changes: list[Any]) -> list[Any]:
    """Invalidate what changes of rows name; gives those that need not be told again."""
    entries: dict[str, _Changed] = {}
    for change in changes:
        for lookup, part in parts_of_table(change.table_name, change.field):
            entry = _Changed(lookup, change.identifier if part.field else "", set())
            entries.setdefault(lookup.key(entry.identifier), entry).changes.add(change.id)
    outcomes = _invalidate(entries)
    known = {
        number for key, outcome in outcomes.items() if outcome is Invalidated.TOLD for number in entries[key].changes
    }
    held = {
        number for key, outcome in outcomes.items() if outcome is Invalidated.HELD for number in entries[key].changes
    }
    told = [change for change in changes if change.id not in held]
    ours = [change for change in told if change.id not in known]
    if ours:
        _count_relayed(ours)
    dropped = [
        key for key, outcome in outcomes.items() if outcome is Invalidated.DROPPED and not entries[key].changes <= known
    ]
    note_invalidated(dropped, "sql")
    for key in dropped:
        logger.info("Cache invalidated", extra={"key": key, "cause": "sql"})
    return told


class _Changed(NamedTuple):
    """An entry that changes name, and their ids."""

    lookup: Lookup[Any]
    identifier: str
    changes: set[int]


def _invalidate(entries: Mapping[str, _Changed]) -> dict[str, Invalidated]:
    """
    Drop entries, but for those that a writer holds, or has told of just now.

    Not left to writers are those for which they leave no value: such a key may be held without a gap. Nor are stamps,
    and what else is made of a row: of those a writer may not have told yet, on another node or in a further round trip.
    """
    outcomes = invalidate_keys(
        entries,
        unless_held={key for key, entry in entries.items() if entry.lookup.write_through},
        unless_told={key: entry.changes for key, entry in entries.items()},
    )
    ended = [entries[key] for key, outcome in outcomes.items() if outcome is not Invalidated.HELD]
    invalidate_keys((), {entry.lookup.stamp_key(entry.identifier) for entry in ended} - {""})
    return outcomes


def _tell_of_tables(changes: list[Any]) -> None:
    """Drop every entry of tables that were changed as a whole."""
    for table in {change.table_name for change in changes}:
        for lookup, _ in parts_of_table(table, ""):
            clear_entries(lookup, cause="sql")
    _count_relayed(changes)


def _count_relayed(changes: list[Any]) -> None:
    lags = [(change.now - change.changed_ts).total_seconds() for change in changes]
    for lag in lags:
        RELAY_LAG_SECONDS.observe(lag)
    RELAYED_CHANGES.inc(len(changes))
    logger.info("Changes relayed", extra={"count": len(changes), "lag_ms": round(max(lags) * 1000)})


@contextmanager
def _listening(using: str) -> Iterator[None]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"LISTEN {CHANGES_CHANNEL}")
    yield


@contextmanager
def _only_relay(stop: Event, using: str) -> Iterator[bool]:
    """Wait until no other relay works; gives False if told to stop before."""
    lock = "hashtextextended(%s, 0)"
    ours = False
    while not ours and not stop.is_set():
        with connections[using].cursor() as cursor:
            cursor.execute(f"SELECT pg_try_advisory_lock({lock})", [RELAY_LOCK])
            ours = cursor.fetchone()[0]
        if not ours:
            stop.wait(POLL_SECONDS)
    try:
        yield ours
    finally:
        if ours and connections[using].is_usable():
            with connections[using].cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock({lock})", [RELAY_LOCK])


def _wait_for_changes(using: str, seconds: float) -> None:
    """Sleep until PostgreSQL says that something changed, or `seconds` have passed."""
    connection: Any = connections[using]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        for _ in connection.connection.notifies(timeout=seconds, stop_after=1):
            pass


def _audit_when_due(audited: float) -> float:
    """Compare the whole cache with the database now and then; gives the time of the last comparison."""
    period = get_options().audit_seconds
    if not period or monotonic() - audited < period:
        return audited
    audit = audit_cache()
    logger.info("Cache audited", extra={"compared": audit.compared, "mismatches": len(audit.mismatches)})
    return monotonic()
