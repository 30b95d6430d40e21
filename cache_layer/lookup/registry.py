"""All registered lookups, and which rows their entries are built from."""

from collections.abc import Iterable
from typing import Any

from django.db import router
from django.db.models import Model

from cache_layer.keys import register_purge_pattern, value_key
from cache_layer.lookup.declaration import Lookup, Part
from cache_layer.models import Change

_registry: dict[str, Lookup[Any]] = {}


def register(lookup: Lookup[Any]) -> None:
    """Register a lookup; see `CoherentLookup.register`."""
    for other in _registry.values():
        if other.name == lookup.name or other.is_key(lookup.key("x")) or lookup.is_key(other.key("x")):
            owner = f"the lookup {other.name!r} of {other.model._meta.label}"
            raise lookup.invalid(f"{owner} already has this name, or keys of this pattern.")
    _registry[lookup.name] = lookup
    for key in (lookup.key_glob(), *lookup.stamp_keys()):
        register_purge_pattern(value_key(key, version=1))


def get_lookup(name: str) -> Lookup[Any]:
    """
    The lookup called `name`.

    Raises:
        LookupError: there is none; the message lists those there are.
    """
    try:
        return _registry[name]
    except KeyError:
        raise LookupError(f"no lookup {name!r}; registered: {', '.join(_registry) or 'none'}") from None


def registered_lookups() -> list[Lookup[Any]]:
    """All lookups, in the order of registration."""
    return list(_registry.values())


def outbox_alias() -> str:
    """The database that has the outbox: the one of the cached models."""
    return router.db_for_write(next((lookup.model for lookup in _registry.values()), Change))


def find_lookup(key: str, among: Iterable[Lookup[Any]] | None = None) -> Lookup[Any] | None:
    """The lookup, of all or `among` these, that a key belongs to; None if the key is not an entry's."""
    lookups = _registry.values() if among is None else among
    return next((lookup for lookup in lookups if lookup.is_key(key)), None)


def parts_of(
    model: type[Model], changed: Iterable[str] | None = None, *, created: bool = False
) -> list[tuple[Lookup[Any], Part]]:
    """The lookups and parts whose entries a new row of `model`, or a change of these fields (None: any), may change."""
    return [
        (lookup, part)
        for lookup in _registry.values()
        for part in lookup.parts
        if issubclass(model, part.model) and part.concerns(changed) and (part.created or not created)
    ]


def parts_of_table(table: str, field: str) -> list[tuple[Lookup[Any], Part]]:
    """The lookups, with their parts, that use a table's rows by this field or as a whole; by any field if empty."""
    return [
        (lookup, part)
        for lookup in _registry.values()
        for part in lookup.parts
        if part.model._meta.db_table == table and (not field or part.field in (None, field))
    ]
