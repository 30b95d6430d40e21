"""Documents built from a row's own fields: which fields are supported, and how they are written as JSON."""

from __future__ import annotations

import datetime
import difflib
import json
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, JSONField, Model
from django.utils.duration import duration_iso_string

from cache_layer.errors import InvalidLookup, OtherRelease

WHOLE = {f"{size}{kind}Field" for size in ("Big", "Small", "") for kind in ("Auto", "Integer")} | {
    f"Positive{size}IntegerField" for size in ("Big", "Small", "")
}
TEXT = {"CharField", "TextField", "SlugField"}
KEYS = WHOLE | TEXT | {"UUIDField"}
"""Fields that can be keys: Python and PostgreSQL write their values alike, which the triggers rely on."""
TYPED = {"BooleanField", "FloatField", "DecimalField", "DateField", "TimeField", "DateTimeField", "DurationField"}
PLAIN = KEYS | TYPED | {"GenericIPAddressField", "FileField", "FilePathField", "JSONField", "ArrayField"}
"""Fields whose values survive a round trip through JSON."""


def find_field(model: type[Model], name: str) -> Any:
    """
    A field whose value is in the model's own table.

    Raises:
        InvalidLookup: there is no such field in that table; the message helps to find the right one.
    """
    columns = {field.name: field for field in model._meta.concrete_fields}
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(columns)}."
        raise InvalidLookup.of(model, f"there is no field {name!r}: {hint}") from None
    if not getattr(field, "concrete", False) or field.many_to_many:
        raise InvalidLookup.of(model, f"{name!r} is stored in other rows; declare a CoherentLookup with further_parts.")
    if field.model._meta.db_table != model._meta.db_table:
        raise InvalidLookup.of(model, f"{name!r} is in the table of {field.model._meta.label}: declare that.")
    return field


def kind_of(field: Any) -> str:
    """The type of a field's values; for a relation, that of the field it points to."""
    while field.remote_field is not None:
        field = field.target_field
    return str(field.get_internal_type())


def refuse_unwritable(model: type[Model], field: Any) -> None:
    """Reject a field whose values would not survive a round trip through JSON."""
    inner = field
    while isinstance(inner, ArrayField):
        inner = inner.base_field
    own_json = isinstance(inner, JSONField) and (inner.encoder or inner.decoder)
    own_values = hasattr(inner, "from_db_value") and not isinstance(inner, JSONField)
    if inner.remote_field is None and (kind_of(inner) not in PLAIN or own_json or own_values):
        raise InvalidLookup.of(
            model,
            f"JSON cannot carry {field.name!r}, a {type(field).__name__}, there and"
            " back; leave it out, or declare a CoherentLookup with an encode and a decode of your own.",
        )


class RowDocuments:
    """
    Named tuples of some fields of a row, and their JSON.

    Attributes:
        names: the attribute names on the model's instances: `owner_id` for a relation.
        key: the one that tells entries apart.
    """

    def __init__(self, model: type[Model], fields: Sequence[Any]) -> None:
        self.key = str(fields[0].attname)
        self.names = tuple(str(field.attname) for field in fields)
        try:
            self.make: Callable[..., Any] = namedtuple(f"{model.__name__}Document", self.names)  # type: ignore[misc]
        except ValueError as error:
            raise InvalidLookup.of(model, f"a document cannot have these names: {error}") from None
        self._fields = tuple(fields)

    def build(self, rows: Sequence[Any]) -> Any:
        return self.make(*(freeze(getattr(rows[0], name)) for name in self.names)) if rows else None

    def encode(self, document: Any) -> bytes:
        return _written(dict(zip(self.names, document, strict=True)))

    def decode(self, identifier: str, payload: bytes) -> Any:
        """
        Releases only append fields, so another one's bytes begin with ours, or ours with them.

        Raises:
            OtherRelease: a release with more or fewer fields wrote these bytes for this entry.
            ValueError: no release would.
        """
        try:
            found = json.loads(payload)
            values = {name: _read(field, found[name]) for name, field in zip(found, self._fields, strict=False)}
            own = _written(values)
        except Exception as error:  # each kind of field raises its own; a RecursionError if nested without end
            raise ValueError(f"not a value of ours: {error}") from error
        if not values or tuple(values) != self.names[: len(values)] or str(values.get(self.key)) != identifier:
            raise ValueError("other fields, or another entry's")
        document = self.make(*values.values()) if len(values) == len(self.names) else None
        if own == payload and document is not None:
            return document
        if own == payload or (len(found) > len(values) and OtherRelease.begins_with(payload, own)):
            raise OtherRelease(document, lambda other: OtherRelease.agree(payload, self.encode(other)))
        raise ValueError("not as it is written")


def freeze(value: Any) -> Any:
    """An immutable version of the value, since all threads share documents."""
    if isinstance(value, list | tuple):
        return tuple(map(freeze, value))
    if isinstance(value, dict):
        return MappingProxyType({name: freeze(inner) for name, inner in value.items()})
    return value


def _read(field: Field[Any, Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, ArrayField):
        return tuple(_read(field.base_field, inner) for inner in value)
    return freeze(field.to_python(value))


def _written(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """Values that JSON has no type for, in a form that `Field.to_python` reads."""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return duration_iso_string(value)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
