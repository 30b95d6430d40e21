"""
Bulk changes, which send no signals: one hold and one drain for all rows.

    class Entity(Model):
        objects = CoherentManager()
"""

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import NotSupportedError, transaction
from django.db.models import Manager, Model, QuerySet, Value
from django.db.models.manager import BaseManager

from cache_layer.lookup import Entry, Lookup, Part, entries_of, parts_of
from cache_layer.writing.writes import hold_entries, holding

Row = TypeVar("Row", bound=Model)


class CoherentQuerySet(QuerySet[Row, Row]):
    """A QuerySet whose `update`, `bulk_update`, `bulk_create` and `delete` keep the cache coherent."""

    def update(self, **kwargs: Any) -> int:
        """As Django's; locks rows first, so that it changes those it holds. Fields no entry uses need neither."""
        parts = parts_of(self.model, kwargs)
        if self.query.is_sliced or not parts:
            return super().update(**kwargs)  # for a slice this raises Django's error
        with transaction.atomic(using=self._write_alias):
            rows = self._lock_rows()
            locked = self.filter(pk__in=[row["pk"] for row in rows])
            entries = entries_of(parts, [*rows, *locked._identifiers_after(kwargs)])
            with holding(entries, using=self._write_alias):
                return super(CoherentQuerySet, locked).update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined] # as Django does, so that templates can't call it

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's; locks and holds the rows first."""
        if self.query.is_sliced or self.query.combinator:
            return super().delete()  # raises Django's error
        with transaction.atomic(using=self._write_alias):
            rows = self._lock_rows()
            with holding(entries_of(parts_of(self.model), rows), using=self._write_alias):
                return super(CoherentQuerySet, self.filter(pk__in=[row["pk"] for row in rows])).delete()

    delete.alters_data = True  # type: ignore[attr-defined] # as above
    delete.queryset_only = True  # type: ignore[attr-defined] # as above

    def bulk_create(  # noqa: PLR0917 - as many as Django's
        self,
        objs: Iterable[Row],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Row]:
        """
        As Django's.

        Raises:
            NotSupportedError: existing rows would get other identifiers, and their old ones are unknown.
        """
        if update_conflicts and any(self._name_in(update_fields or (), name) for name in self._identifier_fields()):
            raise NotSupportedError("bulk_create can't change the identifiers of entries: use bulk_update.")
        rows = list(objs)
        parts = parts_of(self.model, created=not update_conflicts)
        with holding(self._entries_of(rows, parts), using=self._write_alias):
            created = super().bulk_create(
                rows, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
            )
            hold_entries(self._entries_of(rows, parts), using=self._write_alias)  # the database set some identifiers
            return created

    bulk_create.alters_data = True  # type: ignore[attr-defined] # as above

    def bulk_update(self, objs: Iterable[Row], fields: Iterable[str], batch_size: int | None = None) -> int:
        """As Django's."""
        rows, names = list(objs), list(fields)
        with holding(self._entries_of(rows, parts_of(self.model, names)), using=self._write_alias):
            return super().bulk_update(rows, names, batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined] # as above

    @property
    def _write_alias(self) -> str:
        self._for_write = True
        return self.db

    def _identifier_fields(self) -> list[str]:
        return list(dict.fromkeys(part.field for _, part in parts_of(self.model) if part.field))

    def _lock_rows(self) -> list[dict[str, Any]]:
        """Lock the rows to change, in primary key order to avoid deadlocks, and return their keys and identifiers."""
        rows = self.model._base_manager.using(self._write_alias).filter(pk__in=self.order_by().values("pk"))
        return list(rows.select_for_update().order_by("pk").values("pk", *self._identifier_fields()))

    def _identifiers_after(self, changes: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The identifiers an update would give these locked rows; the database evaluates expressions."""
        given = {name: found for name in self._identifier_fields() if (found := self._name_in(changes, name))}
        if not given:
            return []
        expressions = {f"new_{name}": self._expression(name, changes[found]) for name, found in given.items()}
        rows = self.using(self._write_alias).order_by().values(**expressions)
        return [{name: row[f"new_{name}"] for name in given} for row in rows]

    def _expression(self, name: str, value: Any) -> Any:
        field: Any = self.model._meta.get_field(name)
        if isinstance(value, Model):
            value = getattr(value, field.target_field.attname)
        return value if hasattr(value, "resolve_expression") else Value(value, field)

    def _name_in(self, names: Collection[str], field: str) -> str:
        """By which of a field's two names, a relation's with and without `_id`, it is among these; empty if by none."""
        found: Any = self.model._meta.get_field(field)
        return next((name for name in (found.name, found.attname) if name in names), "")

    def _entries_of(self, rows: Sequence[Row], parts: list[tuple[Lookup[Any], Part]]) -> list[Entry]:
        fields = self._identifier_fields()
        return entries_of(parts, [{field: getattr(row, field) for field in fields} for row in rows])


class CoherentManager(Manager.from_queryset(CoherentQuerySet)):  # type: ignore[misc] # mypy: a class made at run time
    """The manager a coherent model declares as `objects`; also its base manager, for `SET_NULL` and related rows."""

    def contribute_to_class(self, cls: type[Model], name: str) -> None:
        super().contribute_to_class(cls, name)
        cls._meta.base_manager_name = cls._meta.base_manager_name or name


def adopt_managers(model: type[Model]) -> None:
    """
    Make the managers of a model that is not ours, such as Django's users, keep the cache coherent.

    Subclasses of the managers and their QuerySets replace them, so all their methods stay. Django builds the managers
    of relations from these classes too.
    """
    for found in model._meta.managers:
        manager: Any = found  # the stubs lack `_queryset_class`
        if issubclass(manager._queryset_class, CoherentQuerySet):
            continue
        ours: Any = copy.copy(manager)
        ours.__class__ = _coherent_manager(type(manager))
        # As `Options.add_manager` is meant to be used: one manager for each name.
        model._meta.local_managers[:] = [each for each in model._meta.local_managers if each.name != manager.name]
        model.add_to_class(manager.name, ours)
    default: Any = model._default_manager
    if model._meta.base_manager_name is None and type(default).get_queryset is BaseManager.get_queryset:
        model._meta.base_manager_name = default.name  # it leaves no row out, and Django's own changes use it
        model._meta._expire_cache()  # type: ignore[attr-defined] # private; clears the cached base manager


def _coherent_manager(manager: Any) -> type[Any]:
    queryset = type(f"Coherent{manager._queryset_class.__name__}", (CoherentQuerySet, manager._queryset_class), {})

    def deconstruct(self: Any) -> Any:
        """Migrations get the original manager; the triggers record what they change."""
        plain = copy.copy(self)
        plain.__class__ = manager
        return plain.deconstruct()

    def equals(self: Any, other: object) -> bool:
        """As `deconstruct` does, compare the original manager."""
        return isinstance(other, manager) and self._constructor_args == other._constructor_args

    own = {"_queryset_class": queryset, "deconstruct": deconstruct, "__eq__": equals, "__hash__": manager.__hash__}
    return type(f"Coherent{manager.__name__}", (manager,), own)
