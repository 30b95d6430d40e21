"""
Changes of many rows at once, which send no signals: one hold and one drain for all of them.

    class Entity(Model):
        objects = CoherentManager()
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Manager, Model, QuerySet

from cache_layer.lookup import lookups_of
from cache_layer.writes import Entry, writing

Row = TypeVar("Row", bound=Model)


class CoherentQuerySet(QuerySet[Row, Row]):
    """A QuerySet whose `update`, `bulk_update`, `bulk_create` and `delete` keep the cache coherent."""

    def update(self, **kwargs: Any) -> int:
        """As Django's; the rows are locked first, so those held are those changed."""
        if self.query.is_sliced:
            return super().update(**kwargs)  # raises Django's own error
        with transaction.atomic(using=self._write_alias):
            keys = self._lock_rows()
            new = [_only(row, kwargs) for row in keys]
            with writing(self._entries([*keys, *new]), using=self._write_alias):
                return super(CoherentQuerySet, self.filter(pk__in=[row["pk"] for row in keys])).update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined] # as Django marks its own, against calls from templates

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's, with the rows locked and held first."""
        if self.query.is_sliced or self.query.combinator:
            return super().delete()  # raises Django's own error
        with transaction.atomic(using=self._write_alias):
            keys = self._lock_rows()
            with writing(self._entries(keys), using=self._write_alias):
                return super(CoherentQuerySet, self.filter(pk__in=[row["pk"] for row in keys])).delete()

    delete.alters_data = True  # type: ignore[attr-defined] # as above
    delete.queryset_only = True  # type: ignore[attr-defined] # as above

    def bulk_create(self, objs: Iterable[Row], *args: Any, **kwargs: Any) -> list[Row]:
        """As Django's."""
        rows = list(objs)
        with writing(
            self._entries([_identity(row, self._identifier_fields()) for row in rows]), using=self._write_alias
        ):
            return super().bulk_create(rows, *args, **kwargs)

    def bulk_update(self, objs: Iterable[Row], fields: Iterable[str], batch_size: int | None = None) -> int:
        """As Django's."""
        rows = list(objs)
        with writing(
            self._entries([_identity(row, self._identifier_fields()) for row in rows]), using=self._write_alias
        ):
            return super().bulk_update(rows, list(fields), batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined] # as above

    @property
    def _write_alias(self) -> str:
        self._for_write = True
        return self.db

    def _identifier_fields(self) -> list[str]:
        return [lookup.identifier_field for lookup in lookups_of(self.model) if lookup.identifier_field]

    def _lock_rows(self) -> list[dict[str, Any]]:
        """The primary keys and identifiers of the rows to change, locked in one order against deadlocks."""
        rows = self.model._base_manager.using(self._write_alias).filter(pk__in=self.order_by().values("pk"))
        return list(rows.select_for_update().order_by("pk").values("pk", *self._identifier_fields()))

    def _entries(self, rows: Sequence[dict[str, Any]]) -> list[Entry]:
        entries: list[Entry] = []
        for lookup in lookups_of(self.model):
            if lookup.identifier_field is None:
                entries.append((lookup, ""))
            else:
                identifiers = dict.fromkeys(str(row[lookup.identifier_field]) for row in rows)
                entries += [(lookup, identifier) for identifier in identifiers]
        return entries


def _identity(row: Model, fields: Sequence[str]) -> dict[str, Any]:
    return {field: getattr(row, field) for field in fields}


def _only(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The row's identifiers after an update with `changes`."""
    return {name: changes.get(name, value) for name, value in row.items()}


class CoherentManager(Manager.from_queryset(CoherentQuerySet)):  # type: ignore[misc] # mypy: a class made at run time
    """The manager a coherent model declares as `objects`."""

    use_in_migrations = False
