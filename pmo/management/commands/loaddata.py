"""Django's `loaddata`, accepting rows in any order and leaving trigger-written tables alone."""

from collections.abc import Sequence
from typing import Any

from django.core.management.commands import loaddata
from django.db import connections

WRITTEN_BY_TRIGGERS = ("entities.entityevent", "cache_layer.change")


class Command(loaddata.Command):
    help = "Loads what `dumpdata` wrote. Not the history, which PostgreSQL writes: use pg_dump and pg_restore for that."

    left_out = 0

    def loaddata(self, fixture_labels: Sequence[str]) -> None:
        with connections[self.using].cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # a type may come before its children
        super().loaddata(fixture_labels)
        if self.left_out and self.verbosity:
            self.stdout.write(
                f"Left out {self.left_out} rows that triggers write: versions in the history, and pending changes for"
                " the cache. Each entity type that was loaded is a new version."
            )

    def save_obj(self, obj: Any) -> bool:
        if obj.object._meta.label_lower in WRITTEN_BY_TRIGGERS:
            self.left_out += 1
            return False
        return bool(super().save_obj(obj))
