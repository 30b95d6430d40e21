"""
The turn to relay belongs to the database session that has an advisory lock.

PostgreSQL frees the lock when that session ends, so a relay that dies needs no detection. It also ends the session of a
relay that hangs, by the idle timeout: a working relay keeps querying.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from cache_layer.deadline import working_within
from cache_layer.keys import RELAY_LOCK

ASK_MS = 2_000
"""How long PostgreSQL may take to answer about the lock."""
IDLE_MS = 10_000
"""How long the relay that has the turn may be idle in PostgreSQL."""
TAKEN = """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0)
    )
"""


def is_vacant(using: str) -> bool:
    """Whether nobody has the turn. Returns its connection to the pool at once, and keeps no lock."""
    try:
        return _try_lock("pg_try_advisory_xact_lock", using)
    finally:
        connections[using].close()


def is_taken(using: str) -> bool:
    """Whether some server relays; unlike `is_vacant`, never takes the lock, not even for a moment."""
    with connections[using].cursor() as cursor:
        cursor.execute(TAKEN, [RELAY_LOCK])
        return bool(cursor.fetchone()[0])


@contextmanager
def own_turn(using: str) -> Iterator[bool]:
    """
    Take the turn while the block runs; yields False if another has it.

    Meanwhile this thread's connection is outside any pool, so its lock and LISTEN end with it.
    """
    shared = connections[using]
    own = shared.copy()
    options = own.settings_dict["OPTIONS"]
    options.pop("pool", None)
    options["application_name"] = f"relay of process {os.getpid()}"
    connections[using] = own
    descriptor = -1
    try:
        ours = _try_lock("pg_try_advisory_lock", using)
        with own.cursor() as cursor:
            cursor.execute(f"SET idle_session_timeout = {IDLE_MS}")
        descriptor = own.connection.fileno()
        _descriptors.add(descriptor)
        yield ours
    finally:
        _descriptors.discard(descriptor)
        connections[using] = shared
        own.close()


def _try_lock(function: str, using: str) -> bool:
    with working_within(ASK_MS), connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [RELAY_LOCK])
        return bool(cursor.fetchone()[0])


_descriptors: set[int] = set()
"""Sockets to close in forked children: PostgreSQL notices a dead process only once nobody has its socket open."""


def _close_in_child() -> None:
    while _descriptors:
        os.close(_descriptors.pop())


os.register_at_fork(after_in_child=_close_in_child)
