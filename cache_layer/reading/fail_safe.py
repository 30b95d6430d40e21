"""
Fail-safe: the last known documents, past their TTL, while the database is away. Off unless `stale_seconds` says so.

The last known value of an entry is stored and deleted with its value by the same scripts: it is as coherent, and only
lives longer. It may still be old: a change behind Django's back that the relay had not told of, or one made where
neither this database nor this Redis can be seen. So whatever is made of it says that it is stale, and none of it is
kept in memory.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from time import monotonic_ns
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from cache_layer.keys import absent_key, known_key, value_key
from cache_layer.lookup import Lookup
from cache_layer.options import get_options
from cache_layer.reading.answered import Read, Reads, Source, decode, decode_stored
from cache_layer.server.connection import get_redis_client

logger = logging.getLogger("cache_layer")
Document = TypeVar("Document")

DATABASE_AWAY = (OperationalError, InterfaceError)
"""Refused, lost, too slow, or no connection of the pool was free in time."""
RETRY_SECONDS = 1.0
"""How long nobody waits for a database that has just failed, where something is known; then one caller tries it."""

_ask_again_ns = 0


def note_away() -> None:
    """The database has just failed."""
    global _ask_again_ns  # noqa: PLW0603 - one moment for all threads
    if not _ask_again_ns:
        logger.warning("Database away")
    _ask_again_ns = monotonic_ns() + int(RETRY_SECONDS * 1e9)


def note_back() -> None:
    """The database has just answered; a forked child begins so."""
    global _ask_again_ns  # noqa: PLW0603 - as above
    _ask_again_ns = 0


def was_away() -> bool:
    """Whether the database has not answered since it failed."""
    return bool(_ask_again_ns)


def is_away() -> bool:
    """Whether to take what is known, if anything is, without asking the database. False gives one caller the trial."""
    if not _ask_again_ns or not get_options().fail_safe_seconds:
        return False
    if monotonic_ns() < _ask_again_ns:
        return True
    note_away()
    return False


def read_known(lookup: Lookup[Document], identifiers: Sequence[str]) -> Reads[Document] | None:
    """
    What Redis has of these entries without the database, in one round trip: values, absences, or last known values.

    Returns:
        None if fail-safe is off, Redis does not answer, or something is not known.
    """
    if not get_options().fail_safe_seconds:
        return None
    keys = [lookup.key(identifier) for identifier in identifiers]
    asked_ns = monotonic_ns()
    client: Any = get_redis_client()
    try:
        stored = client.mget([name(key) for name in (value_key, absent_key, known_key) for key in keys])
    except RedisError:
        return None
    values, absences, known = (stored[start : start + len(keys)] for start in range(0, len(stored), len(keys)))
    reads = decode_stored(lookup, identifiers, values, asked_ns)
    for identifier, absent, last in zip(identifiers, absences, known, strict=True):
        if identifier in reads:
            continue
        found = decode(lookup, identifier, last) if last is not None else None
        if found is not None:
            reads[identifier] = Read(*found, Source.STALE)
        elif absent is not None:
            reads[identifier] = Read(None, b"", Source.REDIS)
        else:
            return None
    stale = [lookup.key(identifier) for identifier, read in reads.items() if read.source is Source.STALE]
    if stale:
        logger.info("Stale values served", extra={"keys": stale[:10], "count": len(stale)})
    return reads


os.register_at_fork(after_in_child=note_back)
