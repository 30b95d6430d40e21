"""Undoes an act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pghistory
from django.db import IntegrityError, router

from entities.admin.history.restoring import add_again
from entities.admin.history.reversals import CHILDREN, Kind, Reversal, Step, plan_undoing
from entities.admin.history.versions import events_of, versions_before
from entities.changes import ChangedMeanwhile, writing_types
from entities.fields import SETTABLE
from entities.models import Entity


def steps_of(event: Any, *, alone: bool = False) -> list[Step]:
    """What the act that made this version did; with `alone`, only what this version changed."""
    events = [event] if alone else events_of(event)
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for each in events:
        first.setdefault(each.code, each)
        last[each.code] = each
    earlier = versions_before([each for each in first.values() if each.pgh_label == "update"])
    before = {
        code: each if each.pgh_label == "delete" else earlier.get(each.pgh_id)  # a deletion holds the last values
        for code, each in first.items()
    }
    return [
        Step(
            code,
            before[code],
            None if last[code].pgh_label == "delete" else last[code],
            last[code].pgh_id,
            is_known=before[code] is not None or first[code].pgh_label == "insert",
        )
        for code in first
    ]


def preview_undoing(event: Any, *, alone: bool = False) -> list[Reversal]:
    """What `undo` would do now."""
    steps = steps_of(event, alone=alone)
    return plan_undoing(steps, Entity.objects.in_bulk([step.code for step in steps]), _known(steps))


def undo(event: Any, *, alone: bool = False) -> list[Reversal]:
    """
    Undo as much as possible of the act that made this version, or with `alone` of this version, in one transaction.

    Raises:
        ChangedMeanwhile: somebody concurrently added one of these types or deleted a child; nothing was undone.
    """
    steps = steps_of(event, alone=alone)
    codes = [step.code for step in steps]
    alias = router.db_for_write(Entity)
    try:
        with pghistory.context(act="undo"), writing_types(*codes):
            rows = Entity.objects.using(alias).select_for_update().filter(code__in=codes).order_by("code")
            reversals = plan_undoing(steps, {row.code: row for row in rows}, _known(steps))
            _add(reversals)
            _change(reversals, alias)
            gone = Entity.objects.using(alias).filter(code__in=_codes(reversals, Kind.REMOVE))
            gone._raw_delete(alias)  # in one statement: they may list each other
    except IntegrityError as error:
        raise ChangedMeanwhile from error
    return reversals


def _add(reversals: Iterable[Reversal]) -> None:
    """Add children before parents; types that list each other get their children afterwards."""
    to_add = {each.code: each for each in reversals if each.kind is Kind.ADD}
    while to_add:
        free = [each for each in to_add.values() if not (to_add.keys() - {each.code}) & set(each.values[CHILDREN])]
        for each in free or [next(iter(to_add.values()))]:
            del to_add[each.code]
            children = [code for code in each.values[CHILDREN] if code not in to_add]
            add_again(each.code, each.values | {CHILDREN: children}, each.created_ts)
            if children == each.values[CHILDREN]:
                del each.values[CHILDREN]


def _change(reversals: Sequence[Reversal], alias: str) -> None:
    """Change all in one statement, as an import does; re-added types also get the children still missing."""
    changed = [each.now for each in reversals if each.kind is Kind.CHANGE]
    for each in reversals:
        if each.kind is Kind.CHANGE:
            for name, value in each.values.items():
                setattr(each.now, name, value)
        elif each.kind is Kind.ADD and CHILDREN in each.values:
            Entity.objects.using(alias).filter(code=each.code).update(child_entity_codes=each.values[CHILDREN])
    if changed:
        Entity.objects.using(alias).bulk_create(
            changed, update_conflicts=True, unique_fields=["code"], update_fields=[*SETTABLE]
        )


def _codes(reversals: Iterable[Reversal], kind: Kind) -> list[str]:
    return [each.code for each in reversals if each.kind is kind]


def _known(steps: Sequence[Step]) -> set[str]:
    """The existing ones among the codes listed in the steps' earlier rows."""
    listed = {code for step in steps if step.before is not None for code in step.before.child_entity_codes}
    return set(Entity.objects.filter(code__in=listed).values_list("code", flat=True))
