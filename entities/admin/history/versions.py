"""
The versions of an entity type, deleted or not: what it was, and who changed it from where.

An act made them: one request, one run of a command, or one SQL transaction, which may have changed others with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pghistory
from django.contrib.admin.utils import quote
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from entities.codes import is_code
from entities.history import FIRST, WHAT_HAPPENED, all_events
from entities.models import Entity

ACTS = {"restore": "Restored", "undo": "{} by undo", "import": "{} by import"}
ORIGINS = {"admin": "Admin", "api": "API", "command": "Command"}
IN_SQL = "SQL"


@dataclass(frozen=True)
class Version:
    """One version. `row` has the fields of `Entity` as they were; for a deletion, the last values."""

    number: int
    row: Any

    def __str__(self) -> str:
        return f"Version {self.number}"

    @property
    def id(self) -> int:
        return int(self.row.pgh_id)

    @property
    def code(self) -> str:
        return str(self.row.code)

    @property
    def made_ts(self) -> datetime:
        made: datetime = self.row.pgh_created_at
        return made

    @property
    def what(self) -> str:
        """`Changed`, `Added by import`, `Restored`."""
        return ACTS.get(self.noted.get("act", ""), "{}").format(self.happened)

    @property
    def happened(self) -> str:
        return WHAT_HAPPENED.get(self.row.pgh_label, str(self.row.pgh_label))

    @property
    def noted(self) -> dict[str, str]:
        """What the act recorded: its `source`, `username`, `command`; as an `act` (`import`) also its `file`."""
        context = self.row.pgh_context
        return {name: str(value) for name, value in context.items() if value} if isinstance(context, dict) else {}

    @property
    def is_deletion(self) -> bool:
        return bool(self.row.pgh_label == "delete")

    @property
    def is_start(self) -> bool:
        """Whether nothing came before it, or nothing is known of it."""
        return self.row.pgh_label in ("insert", FIRST)

    @property
    def origin(self) -> str:
        """Where it was changed: `Admin`, `API`, `Command`, or `SQL` for everything else; empty if unknown."""
        if self.row.pgh_label == FIRST:
            return ""
        if self.row.pgh_context is None:
            return IN_SQL
        return ORIGINS.get(self.noted.get("source", ""), "Other")

    @property
    def who(self) -> str:
        """Who changed it; the database role if no user is known."""
        return self.noted.get("username") or self.session

    @property
    def session(self) -> str:
        """The database session's user and program: `ann (psql)`; no writer can hide it."""
        role, program = self.row.database_role or "", self.row.application_name or ""
        return f"{role} ({program})" if role and program else role

    @property
    def undo_url(self) -> str:
        return undo_url(self.id)

    @property
    def restore_url(self) -> str:
        return reverse("admin:entities_entity_restore", args=[quote(self.code), self.id])


class History:
    """All versions of one entity type, newest first, in two queries."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._events = all_events().filter(pgh_obj_id=code)
        newest_first = self._events.order_by("-pgh_id").values_list("pgh_id", flat=True)
        self.ids: list[int] = list(newest_first) if is_code(code) else []
        self._places = {id_: place for place, id_ in enumerate(self.ids)}

    def __contains__(self, id_: int | None) -> bool:
        return id_ in self._places

    def load(self, ids: Iterable[int | None]) -> dict[int, Version]:
        """These versions by id, newest first; those of other entity types are left out."""
        known = [id_ for id_ in ids if id_ in self]
        rows = self._events.filter(pgh_id__in=known).order_by("-pgh_id")
        return {row.pgh_id: Version(len(self.ids) - self._places[row.pgh_id], row) for row in rows}

    def before(self, id_: int) -> int | None:
        """The version before this one."""
        place = self._places[id_] + 1
        return self.ids[place] if place < len(self.ids) else None

    def after(self, id_: int) -> int | None:
        """The version after this one."""
        place = self._places[id_]
        return self.ids[place - 1] if place else None


def find_entity(code: str) -> Entity | None:
    """The current entity type; None if it does not exist or the code is invalid."""
    return Entity.objects.filter(code=code).first() if is_code(code) else None


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
