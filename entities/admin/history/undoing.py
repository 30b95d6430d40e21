"""Undoes acts, or everything that was done to an entity type since one of its versions."""

from collections.abc import Sequence
from typing import Any

import pghistory
from django.db import IntegrityError, router
from django.utils import timezone

from entities.admin.history.reversals import Kind, Reversal, Step, plan_undoing
from entities.admin.history.versions import versions_before
from entities.changes import ChangedMeanwhile, writing_types
from entities.fields import SETTABLE
from entities.history import FIRST, all_events
from entities.models import Entity


def events_of(event: Any) -> list[Any]:
    """All versions made in the same act as this one, oldest first."""
    if event.pgh_context_id:
        together = all_events().filter(pgh_context_id=event.pgh_context_id)
    else:  # in SQL: all versions of a transaction have the same time
        together = all_events().filter(pgh_context_id=None, pgh_created_at=event.pgh_created_at)
    return list(together.exclude(pgh_label=FIRST).order_by("pgh_id"))


def steps_of(events: Sequence[Any]) -> list[Step]:
    """What these versions, oldest first, did to each entity type."""
    last = {each.code: each for each in events}
    first = {each.code: each for each in reversed(events)}
    earlier = versions_before([each for each in first.values() if each.pgh_label == "update"])
    steps = []
    for code, ended in last.items():
        begun = first[code]
        before = begun if begun.is_deletion else earlier.get(begun.pk)  # a deletion holds the last values
        after = None if ended.is_deletion else ended
        is_known = before is not None or begun.pgh_label == "insert"
        steps.append(Step(code, before, after, ended.pk, is_known))
    return steps


def undo(steps: Sequence[Step], *, act: str) -> list[Reversal]:
    """
    Undo as much as possible of these steps, in one transaction.

    Args:
        act: what the history calls it.
    Returns:
        Those to which it did something.
    Raises:
        ChangedMeanwhile: a type is not as it was `seen`, or somebody just added one or deleted a child; nothing was
            undone.
    """
    alias, codes = router.db_for_write(Entity), [step.code for step in steps]
    try:
        with pghistory.context(act=act), writing_types(*codes):
            rows = Entity.objects.using(alias).select_for_update().filter(code__in=codes).order_by("code")
            reversals = plan_undoing(steps, {row.code: row for row in rows})
            if any(each.is_outdated for each in reversals):
                raise ChangedMeanwhile
            _write(reversals, alias)
    except IntegrityError as error:
        raise ChangedMeanwhile from error
    return [each for each in reversals if each.acts]


def _write(reversals: Sequence[Reversal], alias: str) -> None:
    """Each kind in one statement: types may list each other."""
    kinds: dict[Kind, list[Entity]] = {kind: [] for kind in Kind}
    for each in reversals:
        row = each.now or Entity(code=each.step.code)
        for name, value in each.values.items():
            setattr(row, name, value)
        kinds[each.kind].append(row)
        if each.kind is Kind.ADD:
            row.created_ts, row.modified_ts, each.now = each.step.before.created_ts, timezone.now(), row
    stored = Entity.objects.using(alias)
    if kinds[Kind.ADD]:  # `bulk_create` would set created_ts to now; with `raw`, as for fixtures, it stays
        stored._insert(kinds[Kind.ADD], Entity._meta.local_concrete_fields, using=alias, raw=True)
    stored.bulk_create(kinds[Kind.CHANGE], update_conflicts=True, unique_fields=["code"], update_fields=[*SETTABLE])
    stored.filter(code__in=[row.code for row in kinds[Kind.REMOVE]])._raw_delete(alias)
