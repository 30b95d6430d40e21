"""The history of all entity types, newest first, grouped by act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from entities.admin.history.versions import attach_changes
from entities.history import FIRST, all_events
from entities.models import Entity

WINDOW = 1_000
"""How many versions are read to make a page, however large the history is."""
VERBS = {"insert": "added", "update": "changed", "delete": "deleted"}
TITLES = {"import": "Import", "restore": "Restored", "undo": "Undone"}


@dataclass
class Act:
    """
    Changes made together: of each its id and verb; of the newest also the version.
    """

    ids: list[int] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    versions: list[Any] = field(default_factory=list)

    @property
    def version(self) -> Any:
        return self.versions[0]

    @property
    def hidden(self) -> int:
        return len(self.ids) - len(self.versions)

    @property
    def title(self) -> str:
        """`Import: 2 added, 5 changed`; for a single change just its verb."""
        counts = {verb: self.verbs.count(verb) for verb in VERBS.values() if verb in self.verbs}
        said = ", ".join(f"{count} {verb}" for verb, count in counts.items())
        act = self.version.noted.get("act", "")
        named = TITLES.get(act, "")
        if len(self.ids) == 1 and act != "import":
            return named or next(iter(counts)).capitalize()
        return f"{named}: {said}" if named else said.capitalize()


@dataclass(frozen=True)
class Page:
    """Some acts; `older_than` is where the next page begins, None after the last."""

    acts: list[Act]
    older_than: int | None


def read_feed(events: QuerySet[Any] | None = None, *, acts: int, changes_each: int, older_than: int = 0) -> Page:
    """
    The newest acts among some versions.

    Args:
        events: those versions; all by default.
        changes_each: the most changes read per act.
        older_than: only versions before this one; 0 starts with the newest.
    """
    events = (all_events().all() if events is None else events).exclude(pgh_label=FIRST)
    if older_than:
        events = events.filter(pgh_id__lt=older_than)
    columns = ("pgh_id", "pgh_context_id", "pgh_created_at", "pgh_label")
    window = list(events.order_by("-pgh_id").values_list(*columns)[:WINDOW])
    found: dict[Any, Act] = {}
    for id_, context, made_ts, label in window:
        act = found.setdefault(context or made_ts, Act())
        act.ids.append(id_)
        act.verbs.append(VERBS.get(label, label))
    shown, lowest = _choose(list(found.values()), acts)
    _fill(shown, changes_each)
    is_last = len(window) < WINDOW and bool(window) and lowest == window[-1][0]
    return Page(shown, None if is_last or not shown else lowest)


def _choose(acts: Sequence[Act], wanted: int) -> tuple[list[Act], int]:
    """The first acts, and all that began before the last of them ended, so that no act spans two pages."""
    lowest = min((act.ids[-1] for act in acts[:wanted]), default=0)
    chosen = list(acts[:wanted])
    for act in acts[wanted:]:
        if act.ids[0] < lowest:
            break
        chosen.append(act)
        lowest = min(lowest, act.ids[-1])
    return chosen, lowest


def _fill(acts: Sequence[Act], changes_each: int) -> None:
    """Read the acts' newest versions in four queries, whatever their number."""
    rows = all_events().in_bulk([id_ for act in acts for id_ in act.ids[:changes_each]])
    attach_changes(rows.values())
    there = set(Entity.objects.filter(code__in={row.code for row in rows.values()}).values_list("code", flat=True))
    for row in rows.values():
        row.is_gone = row.code not in there
    for act in acts:
        act.versions = [rows[id_] for id_ in act.ids[:changes_each]]
