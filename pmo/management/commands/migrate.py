"""Django's `migrate`, safe to run concurrently and beside running servers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from entities.adoption import adopt, find_problems, is_pending

LOCK = "pmo.migrate"
LOCK_TIMEOUT_MS = 1_000
"""How long a schema change may wait for its lock and block those queued behind it: half a request's time."""


class Command(migrate.Command):
    help = "Updates the database's schema. Of several that are started at once the others wait for the first."

    def handle(self, *args: Any, **options: Any) -> None:
        with only_migration(options["database"]):
            if migrates_everything(options) and is_pending(connections[options["database"]]):
                self.verbosity = options["verbosity"]
                self._adopt(connections[options["database"]])
            super().handle(*args, **options)

    def _adopt(self, connection: Any) -> None:
        for problem in find_problems(connection):
            if problem.warning:
                self.stderr.write(self.style.WARNING(str(problem)))
        if self.verbosity:
            self.stdout.write("Adopting app.entity, which is there already, in one transaction:")
        adopt(connection, self.migration_progress_callback)


def migrates_everything(options: Mapping[str, Any]) -> bool:
    """Whether this run actually migrates the entity types' table to its newest migration."""
    only = ("migration_name", "plan", "check_unapplied", "prune", "fake")
    return options["app_label"] in (None, "entities") and not any(options[each] for each in only)


@contextmanager
def only_migration(alias: str) -> Iterator[None]:
    """
    Wait until no other migration runs; inside, statements wait for table locks no longer than `LOCK_TIMEOUT_MS`.

    A migration that fails with PostgreSQL's "lock timeout" has changed nothing: try it again.
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
