"""
The fields of `Entity`: the form, files, API, history and catalogue derive theirs from the model.

A field added to the model appears in all of them. Exceptions are listed here, with the reason.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from entities.models import Entity

NOT_SET = {
    "code": "given once, when an entity type is added",
    "created_ts": "the time of the first save",
    "modified_ts": "the time of the last change",
}
"""Fields nobody sets, imports or restores."""

NOT_IN_DOCUMENT = {"display_order": "the list of all has the documents in this order; the API's rows have the number"}
"""Fields that are not in the document."""

NOT_IN_CATALOGUE = {
    **NOT_SET,
    "display_order": "an entry's place in the file gives it",
    "active_flag": "seeding neither hides nor shows an entity type",
    "entity_type": "the code",
}
"""Fields left out of a catalogue entry. The code, though never set, is in it."""

NOT_SEARCHED = {
    "icon": "how it looks, not what it is",
    "entity_type": "the code, nearly always",
}
"""The text fields that the list's search leaves out."""


def values_of(row: Any) -> dict[str, Any]:
    """The values of all settable fields of an entity type, or of one of its versions."""
    return {name: getattr(row, name) for name in SETTABLE}


def field_of(name: str) -> models.Field[Any, Any]:
    """The model's field."""
    return Entity._meta.get_field(name)  # type: ignore[return-value] # none is a relation


def python_type(field: models.Field[Any, Any]) -> Any:
    """
    The type of a field's values other than NULL.

    Raises:
        NotImplementedError: fields of this kind are not supported.
    """
    if field.name == "child_entity_codes":
        return list[str]
    for kind, found in _TYPES.items():
        if isinstance(field, kind):
            return found
    raise NotImplementedError(
        f"Entity.{field.name} is a {type(field).__name__}: say in entities/fields.py (_TYPES) what its values are, and"
        " in entities/files/columns.py (READERS) how they are written in a file."
    )


_TYPES: dict[type[models.Field[Any, Any]], Any] = {
    models.CharField: str,
    models.TextField: str,
    models.IntegerField: int,
    models.BooleanField: bool,
}

FIELDS = tuple(field.name for field in Entity._meta.concrete_fields)

SETTABLE = (*(name for name in FIELDS if name not in {*NOT_SET, "entity_type"}), "entity_type")
"""The fields people and programs set, in the model's order; last the one that rarely differs from the code."""

SEARCHED = ("code", *(name for name in SETTABLE if python_type(field_of(name)) is str and name not in NOT_SEARCHED))

CATALOGUED = ("code", *(name for name in SETTABLE if name not in NOT_IN_CATALOGUE))
