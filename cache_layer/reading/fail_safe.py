"""
Fail-safe: serves last known documents past their TTL while the database is down. Off unless `stale_seconds` is set.

The same scripts store and delete an entry's last known value and its value, so both are equally coherent; the former
only lives longer. It may still be old: it misses a change behind Django's back that the relay has not delivered yet,
and one made where neither this database nor this Redis is reachable. So responses made from it are marked as stale, and
it is never stored in memory.
"""

import logging
import os
from collections.abc import Sequence
from typing import Any

from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from cache_layer import clock
from cache_layer.keys import absent_key, known_key, value_key
from cache_layer.lookup import Entry
from cache_layer.options import get_options
from cache_layer.reading.answered import Read, Reads, Source, decode, decode_stored
from cache_layer.server.connection import get_redis_client

logger = logging.getLogger("cache_layer")

DATABASE_AWAY = (OperationalError, InterfaceError)
"""The connection was refused or lost, the database was too slow, or no pool connection became free in time."""
RETRY_SECONDS = 1.0
"""How long a failed database is not asked if a last known value exists; after that one caller tries it."""

_ask_again_ns = 0


def note_away() -> None:
    """Record that the database has just failed."""
    global _ask_again_ns  # noqa: PLW0603 - one moment for all threads
    if not _ask_again_ns:
        logger.warning("Database away")
    _ask_again_ns = clock.seconds_from_now(RETRY_SECONDS)


def note_back() -> None:
    """Record that the database has just answered; also runs in a forked child."""
    global _ask_again_ns  # noqa: PLW0603 - as above
    _ask_again_ns = 0


def was_away() -> bool:
    """Whether the database has failed and not answered since."""
    return bool(_ask_again_ns)


def is_away() -> bool:
    """Whether to use last known values without asking the database. Once a second, one caller gets False and tries."""
    if not _ask_again_ns or not get_options().fail_safe_seconds:
        return False
    if clock.monotonic_ns() < _ask_again_ns:
        return True
    note_away()
    return False


def read_known(entries: Sequence[Entry]) -> Reads[Any] | None:
    """
    Read entries from Redis alone, in one round trip: values, absent markers or last known values.

    Returns:
        None if fail-safe is off, Redis does not answer, or an entry has none of these.
    """
    if not get_options().fail_safe_seconds:
        return None
    keys = [entry.key for entry in entries]
    asked_ns = clock.monotonic_ns()
    client: Any = get_redis_client()
    try:
        stored = client.mget([name(key) for name in (value_key, absent_key, known_key) for key in keys])
    except RedisError:
        return None
    values, absences, known = (stored[start : start + len(keys)] for start in range(0, len(stored), len(keys)))
    reads = decode_stored(entries, values, asked_ns)
    for entry, absent, last in zip(entries, absences, known, strict=True):
        if entry.identifier in reads:
            continue
        if last is not None and (found := decode(entry, last)):
            reads[entry.identifier] = Read(found[0], found[1], Source.STALE)
        elif absent is not None:
            reads[entry.identifier] = Read(None, b"", Source.REDIS)
        else:
            return None
    stale = [entry.key for entry in entries if reads[entry.identifier].source is Source.STALE]
    if stale:
        logger.info("Stale values served", extra={"keys": stale[:10], "count": len(stale)})
    return reads


os.register_at_fork(after_in_child=note_back)
