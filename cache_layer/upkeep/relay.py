"""
The relay: delivers changes made behind Django's back to the cache.

Triggers write every change of a coherent table to the outbox and NOTIFY. The relay drops the keys from the cache, then
the rows from the outbox, so nothing is lost while it, Redis or PostgreSQL is down. Many may run, one in each web
process (`wsgi`); the one that has the `turn` works. It leaves a key alone while a Django writer holds it, because that
writer usually deletes the change from the outbox itself. It does drop held keys whose writers store no value, since
one writer after another may hold such a key without a break.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from random import uniform
from threading import Event
from time import monotonic
from typing import Any

from django.db import Error, connections
from django.db.models.functions import Now
from redis.exceptions import RedisError

from cache_layer.activity import note_invalidated
from cache_layer.keys import CHANGES_CHANNEL
from cache_layer.lookup import Entry, parts_of_table, stamps_of
from cache_layer.metrics import RELAY_LAG_SECONDS, RELAY_WORKING, RELAYED_CHANGES
from cache_layer.models import Change
from cache_layer.options import get_options
from cache_layer.protocol.scripts import Invalidated, invalidate_keys
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.upkeep.turn import is_vacant, own_turn
from cache_layer.writing.outbox import BATCH_CHANGES, FORGET_SECONDS, Settled

logger = logging.getLogger("cache_layer")

POLL_SECONDS = 1.0
"""How often the relay looks at the outbox without a NOTIFY."""
HELD_SECONDS = 0.02
"""How soon it looks again at a change of a held key."""
TRY_SECONDS = (0.5, 1.0)
"""How long a standby waits before it tries to take the turn; random, or a thousand would try at once."""
CEDE_SECONDS = 0.25
"""How long a failing relay keeps the turn, or a thousand would ask an absent Redis in quick succession."""


def run_relay(stop: Event, *, using: str = "default") -> None:
    """
    Work until `stop` is set, or stand by while another relay works; failures are retried, and logged once.

    A standby has no connection between two tries. It asks through the pool; after a failure it uses its own connection,
    since the pool logs every connection it cannot get.
    """
    state, failed = _State(), False
    RELAY_WORKING.set(0)
    while not stop.is_set():
        try:
            if failed or is_vacant(using):
                with own_turn(using) as ours:
                    if ours:
                        _work(stop, state, using)
            failed = False
        except Exception as error:  # any kind: nobody would notice that the thread has ended
            failed = True
            if state.becomes(works=False):
                unknown = not isinstance(error, Error | RedisError)
                logger.warning("Relay interrupted", extra={"error": str(error)}, exc_info=unknown)
        stop.wait(uniform(*TRY_SECONDS))  # noqa: S311 # no secret


def _work(stop: Event, state: _State, using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(f"LISTEN {CHANGES_CHANNEL}")
    audited, settled = monotonic(), Settled()
    try:
        while not stop.is_set():
            left = relay_changes(settled, using=using)
            RELAY_WORKING.set(1)
            if state.becomes(works=True):
                logger.info("Relay working")
            audited = _audit_when_due(audited)
            _wait_for_changes(using, HELD_SECONDS if left else FORGET_SECONDS if settled.ids else POLL_SECONDS)
        settled.forget(using, at_once=True)
    except Exception:
        stop.wait(CEDE_SECONDS)
        raise
    finally:
        RELAY_WORKING.set(0)


class _State:
    """Whether the relay works, as it was logged last."""

    works: bool | None = None

    def becomes(self, works: bool) -> bool:
        """Whether that is news."""
        is_news, self.works = works is not self.works, works
        return is_news


def relay_changes(settled: Settled | None = None, *, using: str = "default") -> int:
    """
    Invalidate what the outbox names, and delete those changes from it.

    Args:
        settled: the changes that earlier calls have settled, if they are to be deleted a little later.
    Returns:
        How many changes were left: a writer holds their keys, or a node of a cluster failed.
    Raises:
        CacheUnavailable: Redis did not answer; undelivered changes are still in the outbox.
    """
    known = settled or Settled()
    left, last = 0, 0
    whole_tables: list[Any] = []
    is_more = True
    while is_more:
        found: list[Any] = list(
            Change.objects.using(using).filter(id__gt=last).annotate(now=Now()).order_by("id")[:BATCH_CHANGES]
        )
        is_more = len(found) == BATCH_CHANGES  # of those that come meanwhile, PostgreSQL will notify
        last = found[-1].id if found else last
        changes = [change for change in found if change.id not in known.ids]
        rows = [change for change in changes if change.field]
        done = _deliver_rows(rows)
        known.add(done)
        known.forget(using)
        left += len(rows) - len(done)
        whole_tables += [change for change in changes if not change.field]
    if whole_tables:  # last: that needs every node of a cluster
        _deliver_tables(whole_tables)
        known.add(whole_tables)
    known.forget(using, at_once=settled is None)
    return left


def _deliver_rows(changes: list[Any]) -> list[Any]:
    """Invalidate the entries of changed rows; returns the settled changes."""
    entries: dict[str, Entry] = {}
    ids: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        for lookup, part in parts_of_table(change.table_name, change.field):
            entry = Entry(lookup, change.identifier if part.field else "")
            entries[entry.key] = entry
            ids[entry.key].add(change.id)
    outcomes = _invalidate(entries, ids)
    met = {outcome: [key for key, found in outcomes.items() if found is outcome] for outcome in Invalidated}
    delivered_by_writers = {number for key in met[Invalidated.DELIVERED] for number in ids[key]}
    left = {number for key in met[Invalidated.HELD] + met[Invalidated.UNANSWERED] for number in ids[key]}
    settled = [change for change in changes if change.id not in left]
    delivered_here = [change for change in settled if change.id not in delivered_by_writers]
    if delivered_here:
        _count_relayed(delivered_here)
    dropped = [key for key in met[Invalidated.DROPPED] if not ids[key] <= delivered_by_writers]
    note_invalidated(dropped, "sql")
    for key in dropped:
        logger.info("Cache invalidated", extra={"key": key, "cause": "sql"})
    return settled


def _invalidate(entries: Mapping[str, Entry], changes: Mapping[str, set[int]]) -> dict[str, Invalidated]:
    """
    Drop entries, except those that a writer holds (if it stores values) or has just released with all these changes.

    Stamps and other entries of a row are dropped too: their writer may not have reached another node yet, or needs a
    further trip.
    """
    stamps = stamps_of(entries.values())
    write_through = {key for key, entry in entries.items() if entry.lookup.write_through}
    found = invalidate_keys(entries, stamps, unless_held=write_through | stamps, unless_delivered=changes)
    unanswered = {key for key, outcome in found.items() if outcome is Invalidated.UNANSWERED}
    return {
        key: Invalidated.UNANSWERED if unanswered & {key, entry.stamp_key} else found[key]
        for key, entry in entries.items()
    }


def _deliver_tables(changes: list[Any]) -> None:
    """Drop all entries of tables that changed as a whole."""
    tables = {change.table_name for change in changes}
    clear_entries(*{lookup for table in tables for lookup, _ in parts_of_table(table, "")}, cause="sql")
    _count_relayed(changes)


def _count_relayed(changes: list[Any]) -> None:
    lags = [(change.now - change.changed_ts).total_seconds() for change in changes]
    for lag in lags:
        RELAY_LAG_SECONDS.observe(lag)
    RELAYED_CHANGES.inc(len(changes))
    logger.info("Changes relayed", extra={"count": len(changes), "lag_ms": round(max(lags) * 1000)})


def _wait_for_changes(using: str, seconds: float) -> None:
    """Sleep until PostgreSQL notifies of a change, or `seconds` have passed."""
    connection: Any = connections[using]
    with connection.wrap_database_errors:
        for _ in connection.connection.notifies(timeout=seconds, stop_after=1):
            pass


def _audit_when_due(audited: float) -> float:
    """Compare the whole cache with the database if that is due; returns the time of the last comparison."""
    period = get_options().audit_seconds
    if not period or monotonic() - audited < period:
        return audited
    audit = audit_cache()
    logger.info("Cache audited", extra={"compared": audit.compared, "mismatches": len(audit.mismatches)})
    return monotonic()
