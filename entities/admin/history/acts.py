"""Acts: changes made together by one request, one run of a command, or one SQL transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pghistory
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from entities.history import FIRST, all_events


def undo_url(event_id: int) -> str:
    """The URL for undoing the act that made this version."""
    return reverse("admin:entities_entity_undo", args=[event_id])


def undo_url_of(codes: Collection[str]) -> str:
    """The URL for undoing what this request did to these entity types; empty if it did nothing."""
    with pghistory.context() as act:
        newest = all_events().filter(pgh_obj_id__in=codes).order_by("-pgh_id").first()
        return undo_url(newest.pgh_id) if newest and newest.pgh_context_id == act.id else ""


def events_of(event: Any) -> list[Any]:
    """All versions made in the same act as this one, oldest first."""
    if event.pgh_context_id:
        together = all_events().filter(pgh_context_id=event.pgh_context_id)
    else:  # in SQL: all versions of a transaction have the same time
        together = all_events().filter(pgh_context_id=None, pgh_created_at=event.pgh_created_at)
    return list(together.exclude(pgh_label=FIRST).order_by("pgh_id"))


def versions_before(events: Collection[Any]) -> dict[int, Any]:
    """The previous version of the same entity type, by the id of each version; two queries in all."""
    earlier = all_events().filter(pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id"))
    newest = Subquery(earlier.order_by("-pgh_id").values("pgh_id")[:1])
    ids = all_events().filter(pgh_id__in=[event.pgh_id for event in events]).annotate(before=newest)
    pairs = dict(ids.values_list("pgh_id", "before"))
    rows = all_events().in_bulk([id_ for id_ in pairs.values() if id_])
    return {id_: rows[before] for id_, before in pairs.items() if before}
