"""The history of all entity types, newest first, grouped by act."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from entities.admin.history.versions import attach_changes
from entities.history import ACTS, FIRST, WHAT_HAPPENED, all_events
from entities.models import Entity

WINDOW = 1_000
"""How many versions are read to make a page, however large the history is."""


@dataclass
class Act:
    """Changes made together, newest first: all their ids, how many have each label, and the first few versions."""

    ids: list[int] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)
    versions: list[Any] = field(default_factory=list)

    @property
    def version(self) -> Any:
        return self.versions[0]

    @property
    def hidden(self) -> int:
        return len(self.ids) - len(self.versions)

    @property
    def title(self) -> str:
        """`Imported: 2 added, 5 changed`; for a single change just its verb."""
        said = ", ".join(
            f"{self.numbers[label]} {verb.lower()}" for label, verb in WHAT_HAPPENED.items() if label in self.numbers
        )
        act = self.version.noted.get("act", "")
        named = ACTS.get(act, "")
        if len(self.ids) == 1 and act != "import":
            return named or self.version.happened
        return f"{named}: {said}" if named else said


def read_feed(
    events: QuerySet[Any] | None = None, *, acts: int, changes_each: int, older_than: int = 0
) -> tuple[list[Act], int]:
    """
    The newest acts among some versions.

    Args:
        events: those versions; all by default.
        changes_each: the most versions read per act.
        older_than: only versions before this one; 0 starts with the newest.
    Returns:
        The acts, and `older_than` for the next page; 0 after the last.
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
        act.numbers[label] += 1
    shown, lowest = _choose(found.values(), acts)
    _fill(shown, changes_each)
    is_last = len(window) < WINDOW and (not window or lowest == window[-1][0])
    return shown, 0 if is_last else lowest


def _choose(acts: Iterable[Act], wanted: int) -> tuple[list[Act], int]:
    """The first acts, and all that began before the last of them ended, so that no act spans two pages."""
    chosen: list[Act] = []
    lowest = 0
    for act in acts:
        if len(chosen) >= wanted and act.ids[0] < lowest:
            break
        chosen.append(act)
        lowest = min(lowest or act.ids[-1], act.ids[-1])
    return chosen, lowest


def _fill(acts: Sequence[Act], changes_each: int) -> None:
    """Read the acts' newest versions in four queries, whatever their number."""
    versions = all_events().in_bulk([id_ for act in acts for id_ in act.ids[:changes_each]])
    attach_changes(versions.values())
    codes = {version.code for version in versions.values()}
    there = set(Entity.objects.filter(code__in=codes).values_list("code", flat=True))
    for version in versions.values():
        version.is_gone = version.code not in there
    for act in acts:
        act.versions = [versions[id_] for id_ in act.ids[:changes_each]]
