"""The end of a write: release its holds and update Redis, the outbox, the log and the counters."""

import logging

from django.db import DatabaseError, connections
from redis.exceptions import RedisError

from cache_layer import metrics, origin
from cache_layer.activity import note_invalidated, note_stored
from cache_layer.deadline import left_seconds, releasing
from cache_layer.lookup import stamps_of
from cache_layer.memory import pending
from cache_layer.memory.local_store import drain
from cache_layer.memory.pending import HeldEntry, Write
from cache_layer.options import get_options
from cache_layer.protocol.scripts import HoldRelease, Released, invalidate_keys, release_keys
from cache_layer.writing.attempts import keep_trying
from cache_layer.writing.outbox import forget_changes
from cache_layer.writing.write_through import read_back

logger = logging.getLogger("cache_layer")

Held = dict[str, HeldEntry]


def release_autocommitted(*, using: str) -> None:
    """End the holds of a change in autocommit mode, which is committed already."""
    write = pending.find_write(using)
    if write is not None and not write.in_transaction:
        release_write(write, committed=True)


def release_abandoned(*, idle: bool = False) -> None:
    """
    End the holds of this thread's rolled-back transactions and, if it is `idle`, of its failed autocommitted saves.

    Otherwise they would lapse after `hold_ms`. Holds of a lost database session stay: its commit may still happen.
    """
    for write in pending.abandoned_writes(idle=idle):
        if write.is_in_doubt():
            pending.end_write(write)
        else:
            release_write(write, committed=False)


def release_write(write: Write, *, committed: bool) -> None:
    """
    End a write's holds, and store the committed values of entries that no other writer held.

    Changes that could not be delivered to Redis stay in the outbox for the relay.
    """
    held, write.entries = write.entries, {}
    pending.end_write(write)
    if held:
        with releasing():
            _release(write, held, committed=committed)


def _release(write: Write, held: Held, *, committed: bool) -> None:
    commit_seen = committed and not connections[write.alias].in_atomic_block  # a TestCase commits nothing
    if committed and not commit_seen:
        write.drain()
    if commit_seen:
        read_back(held.values(), write.alias)
    try:
        stored = _update_redis(write, held)
    except RedisError as error:
        metrics.UNTOLD_RELEASES.inc(len(held))
        logger.error("Redis error", extra={"during": "release", "keys": list(held)[:10], "error": str(error)})
        drain()
        return
    if commit_seen:
        _forget_changes([number for each in held.values() for number in each.changes], write.alias)
    if committed:
        counted = [key for key, each in held.items() if each.entry.lookup.counted]
        _record_outcomes(counted, [key for key in counted if key in stored])


def _update_redis(write: Write, held: Held) -> set[str]:
    """
    Release what was held, invalidate what could not be held, and drain again if a hold was missing or lost.

    Returns the keys whose values were stored; raises `RedisError` if Redis refused connections, or kept failing.
    """
    releases = [
        HoldRelease(key, each.holder, each.alone, each.payload, each.entry.lookup.ttl_seconds, each.changes)
        for key, each in held.items()
        if each.holder is not None
    ]
    stamps = [HoldRelease(key, holder) for key, holder in write.stamps.items() if holder is not None]
    unheld = [key for key, each in held.items() if each.holder is None]
    unheld_stamps = stamps_of(held[key].entry for key in unheld)
    budget_ms = 0 if write.budget_spent else get_options().write_budget_ms

    def update() -> dict[str, Released]:
        if unheld:  # before their stamps are released
            invalidate_keys(unheld, unheld_stamps)
        return release_keys(releases, stamps)

    outcomes = keep_trying(update, left_seconds(budget_ms / 1000))
    for release in releases:
        metrics.HOLDS_ENDED.labels(outcomes[release.key].name.lower()).inc()
    lost = [key for key, outcome in outcomes.items() if outcome is Released.LOST]
    if lost:
        logger.warning("Hold lost", extra={"keys": lost[:10], "count": len(lost)})
    if lost or unheld:
        drain()
    return {key for key, outcome in outcomes.items() if outcome is Released.STORED}


def _record_outcomes(invalidated: list[str], stored: list[str]) -> None:
    """Count and log what a committed write did to the cache."""
    cause = origin.current()
    note_invalidated(invalidated, cause)
    note_stored(stored)
    for key in invalidated:
        logger.info("Cache invalidated", extra={"key": key, "cause": cause})
    for key in stored:
        logger.info("Cache populated", extra={"key": key, "cause": cause})


def _forget_changes(changes: list[int], using: str) -> None:
    try:
        forget_changes(changes, using=using)
    except DatabaseError as error:
        logger.warning("Outbox left to the relay", extra={"error": str(error)})
