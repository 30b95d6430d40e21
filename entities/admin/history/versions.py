"""The versions of one entity type, and what each of some versions changed."""

from collections.abc import Collection, Iterable
from typing import Any

import pghistory
from django.db.models import OuterRef, Subquery

from entities.admin.history.differences import RECORDED, compare_fields
from entities.fields import SETTABLE
from entities.history import all_events


class History:
    """All versions of one entity type, deleted or not, newest first."""

    def __init__(self, code: str) -> None:
        self.code = code
        newest_first = all_events().filter(pgh_obj_id=code).order_by("-pgh_id")
        self.ids: list[int] = list(newest_first.values_list("pgh_id", flat=True))

    def load(self, ids: Iterable[int | None]) -> list[Any]:
        """These versions with their `number`, newest first; those of other entity types are left out."""
        found = all_events().in_bulk({*ids} & {*self.ids})
        for number, id_ in enumerate(reversed(self.ids), start=1):
            if id_ in found:
                found[id_].number = number
        return sorted(found.values(), key=lambda version: version.number, reverse=True)


def attach_changes(versions: Collection[Any]) -> None:
    """Set `changes` of each: the fields it changed, or began with; two queries in all."""
    before = versions_before(versions)
    for version in versions:
        old = None if version.is_start else before.get(version.pk)
        compared = [] if version.is_deletion else compare_fields(old, version, RECORDED if old else SETTABLE)
        version.changes = [each for each in compared if each.differs]


def versions_before(versions: Collection[Any]) -> dict[int, Any]:
    """The previous version of the same entity type, by the id of each version; two queries in all."""
    earlier = all_events().filter(pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id"))
    newest = Subquery(earlier.order_by("-pgh_id").values("pgh_id")[:1])
    pairs = dict(all_events().filter(pgh_id__in=[version.pk for version in versions]).values_list("pgh_id", newest))
    rows = all_events().in_bulk([id_ for id_ in pairs.values() if id_])
    return {id_: rows[before] for id_, before in pairs.items() if before}


def undo_url_of_request() -> str:
    """The URL for undoing what this request has done to entity types; empty if it did nothing."""
    with pghistory.context() as act:
        newest = all_events().filter(pgh_context_id=act.id).order_by("-pgh_id").first()
    return newest.undo_url if newest else ""
