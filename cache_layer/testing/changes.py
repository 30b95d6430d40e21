"""Changes rows in Django's usual ways, if a project passes no `write` of its own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import CharField, Field, IntegerField, Model, TextField

from cache_layer.inspect.entry import EntryView
from cache_layer.lookup import Lookup
from cache_layer.writing.release import release_abandoned

MIN_LENGTH = 10
"""The minimum length of a text field, so that it has room for the digits of growing numbers."""


class Changes:
    """Changes a field, one that the document shows, to values it never had, by `save`, `update` and `bulk_update`."""

    def __init__(self, lookup: Lookup[Any], row: str, payload: bytes, alias: str) -> None:
        self._model: type[Model] = lookup.model
        self._by = lookup.identifier_field
        self._bases: dict[tuple[str, str], int] = {}
        for column in sorted(filter(_is_free, self._model._meta.local_concrete_fields), key=_is_text):
            self._field: Any = column
            seen = {payload}
            with transaction.atomic(using=alias):
                for number in (2, 3):  # twice: a modification time might change the document once
                    self(row, number)
                    seen.add(EntryView(lookup, row).committed())
                transaction.set_rollback(True, using=alias)
            release_abandoned()  # otherwise its holds would lapse after the test
            if len(seen) == 3:
                return
        raise ValueError(f"The lookup {lookup.name!r} has no free number or text in its document: pass `write`.")

    def __call__(self, identifier: str, number: int) -> None:
        manager: Any = self._model._default_manager
        row = manager.filter(**{self._by: identifier} if self._by else {}).order_by("pk")[0]
        name = self._field.name
        found = str(getattr(row, name))
        base = self._bases.setdefault((name, identifier), int(found) if found.isdecimal() else 0)
        value = str(base + number) if _is_text(self._field) else base + number
        if number % 4 == 0:
            manager.filter(pk=row.pk).update(**{name: value})
            return
        setattr(row, name, value)
        if number % 4 == 1:
            manager.bulk_update([row], [name])
        else:
            row.save(update_fields=[name] if number % 4 == 2 else None)


def _is_free(column: Field[Any, Any]) -> bool:
    """Whether a field can take any number, or its digits as text."""
    bound = column.primary_key or column.unique or column.choices or (column.max_length or MIN_LENGTH) < MIN_LENGTH
    return isinstance(column, CharField | TextField | IntegerField) and not bound


def _is_text(column: Field[Any, Any]) -> bool:
    return isinstance(column, CharField | TextField)
