"""
Changes of entity types, one transaction each, for the API and the admin.

The cache is held before the row is locked, so that writers queueing for one row drain together, not one by one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from django.db.models import F, JSONField, QuerySet, TextField, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Cast

from entities.lookups import ENTITY
from entities.models import Entity

Check = Callable[[Entity], None]
"""Called with the locked row before any change; an exception aborts the change."""


class ChangedMeanwhile(Exception):
    """Entity types are no longer as the user was shown them; nothing was changed."""


class ListedByParents(Exception):
    """Other entity types still list this one as a child; `parents` are their codes, in display order."""

    def __init__(self, code: str, parents: list[str]) -> None:
        super().__init__(f"{code} is still listed as a child of: {', '.join(parents)}.")
        self.parents = parents


def create_entity(values: Mapping[str, Any]) -> Entity:
    """
    Add an entity type.

    Raises:
        ValidationError: another request took the code, or removed a child, just before.
    """
    entity = Entity(**values)
    with _refusals_by_field(), writing_types(entity.code):
        entity.save(force_insert=True)
    return entity


def change_entity(
    code: str,
    values: Mapping[str, Any],
    check: Check | None = None,
    *,
    append: Iterable[str] = (),
    detach: bool = False,
) -> Entity:
    """
    Set some fields, of inactive entity types too; equal values cause no write.

    Args:
        append: new children, in order, each once. Concurrent appends lose none.
        detach: first remove it from the types that list it.
    Raises:
        Entity.DoesNotExist: there is none.
        ValidationError: another request removed a child just before.
    """
    with _refusals_by_field(), writing_types(code, detach=detach):
        entity = _lock_row(code, check)
        if append:
            values = {**values, "child_entity_codes": [*dict.fromkeys([*entity.child_entity_codes, *append])]}
        changes = {name: value for name, value in values.items() if getattr(entity, name) != value}
        for name, value in changes.items():
            setattr(entity, name, value)
        if changes:
            entity.save()
    return entity


def purge_entity(code: str, *, detach: bool = False, check: Check | None = None) -> None:
    """
    Delete an entity type for good.

    Args:
        detach: first remove it from the types that list it.
    Raises:
        Entity.DoesNotExist: there is none.
        ListedByParents: others list it: without `detach` any, else one that has just begun to.
    """
    with _purging([code], detach):
        _lock_row(code, check, no_key=False).delete()


def deactivate_entities(codes: Collection[str], *, detach: bool = False) -> list[Entity]:
    """
    Hide entity types from readers, with one write; inactive or missing ones cause none.

    Args:
        detach: also remove them from the types that list them.
    Returns:
        Those that were active.
    """
    with writing_types(*codes, detach=detach):
        rows = Entity.objects.select_for_update(no_key=True).filter(code__in=codes, active_flag=True)
        switched = list(rows.order_by("code"))
        Entity.objects.filter(code__in=[row.code for row in switched]).update(active_flag=False)
    return switched


def purge_entities(codes: Collection[str], *, detach: bool = False) -> None:
    """
    Like `purge_entity`, in bulk; they may list each other, and their last versions keep what they listed.

    Raises:
        ListedByParents: others list some of them.
    """
    alias = router.db_for_write(Entity)
    with _purging(codes, detach):
        rows = Entity.objects.using(alias).filter(code__in=codes)
        list(rows.select_for_update().order_by("code").values_list("code"))  # in one order, to avoid deadlocks
        # Django's `delete` removes batches of a hundred rows, which the next batch may list.
        rows._raw_delete(alias)


def parents_of(*codes: str) -> list[str]:
    """The codes of the other entity types, active or not, that list any of these, in display order."""
    return list(find_parents(*codes).values_list("code", flat=True))


def find_parents(*codes: str) -> QuerySet[Entity]:
    """The other entity types that list any of these."""
    lookup, value = ("contains", [codes[0]]) if len(codes) == 1 else ("has_any_keys", list(codes))
    found: QuerySet[Entity] = Entity.objects.filter(**{f"child_entity_codes__{lookup}": value})
    return found.exclude(code__in=codes)


@contextmanager
def writing_types(*codes: str, detach: bool = False) -> Iterator[None]:
    """A transaction that changes these entity types, and with them the list of all; `detach` as in `change_entity`."""
    parents = parents_of(*codes) if detach else ()
    with ENTITY.entries_of_rows(*codes, *parents).holding(using=router.db_for_write(Entity)):
        if detach:  # before their own rows are locked: a parent being saved locks itself first, then its children
            gone = Cast(Value(list(codes)), ArrayField(TextField()))
            without = CombinedExpression(F("child_entity_codes"), "-", gone, output_field=JSONField())
            find_parents(*codes).update(child_entity_codes=without)
        yield


@contextmanager
def _purging(codes: Collection[str], detach: bool) -> Iterator[None]:
    """Like `writing_types`; refuses to remove what others list, also those that have just begun to."""
    if not detach and (parents := parents_of(*codes)):
        raise ListedByParents(", ".join(codes), parents)
    try:
        with writing_types(*codes, detach=detach):
            yield
    except IntegrityError as error:
        raise ListedByParents(", ".join(codes), parents_of(*codes)) from error


def _lock_row(code: str, check: Check | None, *, no_key: bool = True) -> Entity:
    """The row, locked against other writers until this transaction ends; `no_key` lets others list it as a child."""
    entity: Entity = Entity.objects.select_for_update(no_key=no_key).get(code=code)
    if check is not None:
        check(entity)
    return entity


_FIELDS = {
    "entity_pkey": "code",
    "entity_code_pattern": "code",
    "entity_code_not_reserved": "code",
    "entity_code_immutable": "code",
    "entity_children_strings": "child_entity_codes",
    "entity_children_distinct": "child_entity_codes",
    "entity_children_known": "child_entity_codes",
}
"""The field each of the table's constraints is about."""


@contextmanager
def _refusals_by_field() -> Iterator[None]:
    """Report constraint violations, caused by a concurrent transaction, by field."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        constraint = getattr(diagnosis, "constraint_name", None) or ""
        if constraint not in _FIELDS:
            raise
        taken = "An entity type with this code exists already."
        message = taken if constraint == "entity_pkey" else str(getattr(diagnosis, "message_primary", ""))
        raise ValidationError({_FIELDS[constraint]: ValidationError(message, code=constraint)}) from error
