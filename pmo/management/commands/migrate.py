"""Django's `migrate`, safe to start several times at once and beside servers that are at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import connections

LOCK = "pmo.migrate"
LOCK_TIMEOUT_MS = 1_000
"""How long a change of a table may wait for it, and keep those behind it waiting: half of a request's time."""


class Command(migrate.Command):
    help = "Updates the database's schema. Of several that are started at once the others wait for the first."

    def handle(self, *args: Any, **options: Any) -> None:
        with only_migration(options["database"]):
            super().handle(*args, **options)


@contextmanager
def only_migration(alias: str) -> Iterator[None]:
    """
    Wait until no other migration runs; in the block a statement waits for a lock on a table no longer than allowed.

    A migration that did not get its lock fails with PostgreSQL's "lock timeout" and has changed nothing: try it again.
    """
    lock = "hashtextextended(%s, 0)"
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({lock})", [LOCK])
        cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    try:
        yield
    finally:
        if connections[alias].is_usable():
            with connections[alias].cursor() as cursor:
                cursor.execute("RESET lock_timeout")
                cursor.execute(f"SELECT pg_advisory_unlock({lock})", [LOCK])
