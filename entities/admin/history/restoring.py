"""Restores an entity type to an earlier version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from entities.admin.history.differences import field_name
from entities.admin.history.versions import Version
from entities.changes import ChangedMeanwhile, change_entity, writing_types
from entities.fields import values_of
from entities.models import Entity


def mark_of(entity: Entity | None) -> str:
    """Identifies a state of an entity type; empty for a deleted one."""
    return entity.modified_ts.isoformat() if entity else ""


def problems_of(version: Version) -> list[str]:
    """Why this version would be refused today, in words for people."""
    try:
        _validate(version)
    except ValidationError as error:
        return describe_problems(error)
    return []


def describe_problems(error: ValidationError) -> list[str]:
    """A sentence or two for each field."""
    return [f"{field_name(field)}: {' '.join(texts)}" for field, texts in error.message_dict.items()]


def restore_version(version: Version, *, seen: str) -> Entity:
    """
    Set every field except the code and creation time to this version's; add the type again if it was deleted.

    Args:
        seen: `mark_of` for the state that the user was shown.
    Raises:
        ChangedMeanwhile: it is in another state now.
        ValidationError: the version is no longer valid, for example because a child was deleted.
    """
    _validate(version)

    def require_seen(entity: Entity) -> None:
        if mark_of(entity) != seen:
            raise ChangedMeanwhile

    if not seen:
        return add_again(version.code, values_of(version.row), version.row.created_ts)
    try:
        return change_entity(version.code, values_of(version.row), require_seen)
    except Entity.DoesNotExist as error:
        raise ChangedMeanwhile from error


def add_again(code: str, values: Mapping[str, Any], created_ts: datetime) -> Entity:
    """
    Add a deleted entity type with these values and its original creation time.

    Raises:
        ChangedMeanwhile: somebody else added it, or deleted one of its children.
    """
    entity = Entity(code=code, created_ts=created_ts, modified_ts=timezone.now(), **values)
    try:
        with writing_types(entity.code):
            entity.save_base(raw=True, force_insert=True)  # `save` would set created_ts to now
    except IntegrityError as error:
        raise ChangedMeanwhile from error
    return entity


def _validate(version: Version) -> None:
    """Validate like the form; whether the code is free is only known when it is written."""
    Entity(code=version.code, **values_of(version.row)).full_clean(validate_unique=False)
