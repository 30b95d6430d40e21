"""
Make a model coherent by naming its fields:

    @coherent(key="name", fields=["cents_per_hour"])
    class Rate(models.Model): ...

    Rate.coherent.get("senior").cents_per_hour

For somebody else's model use a proxy in your own app, which puts the triggers into your migrations:

    @coherent(key="name", fields=["id"])
    class CoherentGroup(Group):
        class Meta:
            proxy = True
            default_permissions = ()
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from cache_layer.declaring.entries import CoherentLookup
from cache_layer.declaring.fields import KEYS, RowDocuments, find_field, kind_of, refuse_unwritable
from cache_layer.errors import InvalidLookup
from cache_layer.invalidation.triggers import coherence_triggers
from cache_layer.keys import is_text

Row = TypeVar("Row", bound=Model)

MAX_SUFFIX = 30
"""How many letters of a trigger's name pgtrigger's limit leaves for a suffix."""


def coherent(
    *, key: str, fields: Sequence[str], ttl_seconds: int = 300, key_pattern: str = ""
) -> Callable[[type[Row]], type[Row]]:
    """
    Make a model's rows coherent entries, which `Model.coherent` reads.

    Args:
        key: the unique field (whole numbers, text or UUIDs) that tells entries apart.
        fields: the fields cached with it, new ones last. Changing others costs nothing.
        ttl_seconds: how long a value lives in Redis.
        key_pattern: the Redis key, with `{}` for the value of `key`; by default the model's label, a colon and `{}`.
    Raises:
        InvalidLookup: the model cannot be cached as declared; the message says how to fix it.
    """

    def declare(model: type[Row]) -> type[Row]:
        lookup = _lookup(model, key, fields, ttl_seconds, key_pattern)
        lookup.register()
        columns = [find_field(model, name) for name in (key, *fields)]
        for trigger in coherence_triggers(
            model._meta.db_table,
            field=columns[0].attname,
            column='"{}"'.format(columns[0].column.replace('"', '""')),
            only=tuple(dict.fromkeys(column.name for column in columns)),
            suffix=_suffix(model),
        ):
            trigger.register(model)  # type: ignore[arg-type] # its documentation passes a class
        model.coherent = lookup  # type: ignore[attr-defined] # added here
        return model

    return declare


def _lookup(
    model: type[Model], key: str, fields: Sequence[str], ttl_seconds: int, key_pattern: str
) -> CoherentLookup[Any]:
    if isinstance(fields, str):
        raise InvalidLookup.of(model, f"fields is {fields!r}: use a list, [{fields!r}].")
    if model._meta.abstract or hasattr(model, "coherent"):
        raise InvalidLookup.of(model, "it is abstract, or has a `coherent` already.")
    columns = list({field.attname: field for field in (find_field(model, name) for name in (key, *fields))}.values())
    for column in columns:
        refuse_unwritable(model, column)
    key_field = columns[0]
    _refuse_key(model, key_field)
    documents = RowDocuments(model, columns)
    owner: type[Model] = model._meta.concrete_model or model

    def rows(identifiers: Sequence[str]) -> QuerySet[Any]:
        wanted = [identifier for identifier in identifiers if _is_value(key_field, identifier)]
        return owner._base_manager.filter(**{f"{documents.key}__in": wanted})

    return CoherentLookup(
        name=model._meta.label_lower,
        model=owner,
        identifier_field=documents.key,
        key_pattern=key_pattern or f"{model._meta.label_lower}:{{}}",
        rows=rows,
        build=documents.build,
        encode=documents.encode,
        decode=documents.decode,
        columns=documents.names,
        columns_read=frozenset({name for column in columns for name in (column.name, column.attname)}),
        ttl_seconds=ttl_seconds,
    )


def _refuse_key(model: Any, field: Any) -> None:
    """Reject a key that is not unique, or whose values Python and PostgreSQL write differently."""
    constraints = model._meta.total_unique_constraints
    if not field.unique and (field.name,) not in {constraint.fields for constraint in constraints}:
        raise InvalidLookup.of(model, f"the key {field.name!r} is not unique; use one that is, or make it so.")
    if field.remote_field is None and kind_of(field) not in KEYS:
        raise InvalidLookup.of(
            model, f"the key {field.name!r} is a {type(field).__name__}; use one of whole numbers, text or UUIDs."
        )


def _is_value(field: Any, identifier: str) -> bool:
    """Whether a row can have this key in this spelling; the database would reject, say, text for a number."""
    try:
        return is_text(identifier) and str(field.to_python(identifier)) == identifier
    except Exception:  # each kind of field raises its own
        return False


def _suffix(model: type[Model]) -> str:
    """The suffix of the triggers' names, since a table may have triggers for several models."""
    name = f"_{model._meta.label_lower.replace('.', '_')}"
    return name if len(name) <= MAX_SUFFIX else f"{name[: MAX_SUFFIX - 9]}_{zlib.crc32(name.encode()):08x}"
