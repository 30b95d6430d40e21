"""The history of entity types, which pghistory records with triggers: each row is a version, deletions included."""

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.contrib.admin.utils import quote
from django.db import models
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.urls import reverse
from pghistory.models import Event

FIRST = "first"
"""The label of versions that predate the history: nobody's act."""
WHAT_HAPPENED = {"insert": "Added", "update": "Changed", "delete": "Deleted", FIRST: "First known"}
ACTS = {"import": "Imported", "restore": "Restored", "undo": "Undone"}
ORIGINS = {"admin": "Admin", "api": "API", "command": "Command"}
PLACES = {"admin": "in the admin", "api": "through the API", "command": "by a command"}
"""Where a change was made, within a sentence."""

DATABASE_ROLE = RawSQL(
    "session_user || CASE current_setting('role') WHEN 'none' THEN '' ELSE ' as ' || current_setting('role') END",
    [],  # not a tuple: Django adds it to a list when it alters a default
    output_field=models.TextField(),
)
"""The session's user, and its role if another; in a trigger `current_user` is the trigger's owner."""
APPLICATION_NAME = RawSQL("current_setting('application_name')", [], output_field=models.TextField())


class Version(Event):
    """
    A version of an entity type: its fields as they were, or for a deletion the last values; who changed it from where.

    An act made it: one request, one run of a command, or one SQL transaction, which may have changed others with it.
    """

    database_role = models.TextField(null=True, db_default=DATABASE_ROLE)  # noqa: DJ001 - NULL: from before it existed
    application_name = models.TextField(null=True, db_default=APPLICATION_NAME)  # noqa: DJ001 - as above
    """PostgreSQL fills both."""
    code: str
    pgh_context: Any

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Version {self.number}" if hasattr(self, "number") else self.what

    @property
    def what(self) -> str:
        """`Changed`, `Added by import`, `Restored`."""
        act = self.noted.get("act", "")
        return ACTS[act] if act == "restore" else f"{self.happened} by {act}" if act in ACTS else self.happened

    @property
    def happened(self) -> str:
        return WHAT_HAPPENED.get(self.pgh_label, str(self.pgh_label))

    @property
    def noted(self) -> dict[str, str]:
        """What the act recorded: its `source`, `username`, `command`; as an `act` (`import`) also its `file`."""
        context = self.pgh_context
        return {name: str(value) for name, value in context.items() if value} if isinstance(context, dict) else {}

    @property
    def is_deletion(self) -> bool:
        return bool(self.pgh_label == "delete")

    @property
    def is_first(self) -> bool:
        return bool(self.pgh_label == FIRST)

    @property
    def is_start(self) -> bool:
        """Whether nothing came before it, or nothing is known of it."""
        return self.pgh_label in ("insert", FIRST)

    @property
    def origin(self) -> str:
        """Where it was changed: `Admin`, `API`, `Command`, or `SQL` for everything else; empty if unknown."""
        if self.is_first:
            return ""
        return "SQL" if self.pgh_context is None else ORIGINS.get(self.noted.get("source", ""), "Other")

    @property
    def who(self) -> str:
        """Who changed it; the database role if no user is known."""
        return self.noted.get("username") or self.session

    @property
    def session(self) -> str:
        """The database session's user and program: `ann (psql)`; no writer can hide it."""
        role, program = self.database_role or "", self.application_name or ""
        return f"{role} ({program})" if role and program else role

    @property
    def author(self) -> str:
        """`root, through the API`; `ann (psql), in SQL` for writers that bypass the application; empty if unknown."""
        place = "in SQL" if self.pgh_context is None else PLACES.get(self.noted.get("source", ""), "by other code")
        return "" if self.is_first else f"{self.who or 'somebody'}, {place}"

    @property
    def undo_url(self) -> str:
        """The URL for undoing the act that made this version."""
        return reverse("admin:entities_entity_undo", args=[self.pk])

    @property
    def restore_url(self) -> str:
        return reverse("admin:entities_entity_restore", args=[quote(self.code), self.pk])


def all_events() -> Any:
    """The manager of the history model, which pghistory generates: its rows are versions."""
    return apps.get_model("entities", "EntityEvent")._default_manager


def newest_events(codes: Collection[str]) -> QuerySet[Any]:
    """The newest version of each of these entity types that has one."""
    newest: QuerySet[Any] = all_events().filter(pgh_obj_id__in=codes).order_by("pgh_obj_id", "-pgh_id")
    return newest.distinct("pgh_obj_id")
