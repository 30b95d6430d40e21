"""The history of entity types, which pghistory records with triggers, and the words for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

FIRST = "first"
"""The label of versions that predate the history: nobody's act."""
WHAT_HAPPENED = {"insert": "Added", "update": "Changed", "delete": "Deleted", FIRST: "First known"}
PLACES = {"admin": "in the admin", "api": "through the API", "command": "by a command"}
"""Where a change was made, within a sentence."""


def all_events() -> Any:
    """The manager of the history model, which pghistory generates."""
    return apps.get_model("entities", "EntityEvent")._default_manager


def newest_events(codes: Collection[str]) -> QuerySet[Any]:
    """The newest version of each of these entity types that has one."""
    newest: QuerySet[Any] = all_events().filter(pgh_obj_id__in=codes).order_by("pgh_obj_id", "-pgh_id")
    return newest.distinct("pgh_obj_id")
