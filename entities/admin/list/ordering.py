"""Putting entity types in another order, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import router

from cache_layer.writes import writing
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity

LARGEST_NUMBER = 2**31 - 1
"""PostgreSQL's largest integer; where numbers would grow beyond it, all are counted anew."""


def reorder_entities(codes: Sequence[str]) -> list[Entity]:
    """
    Put these entity types in this order, in the places they have together; all others stay where they are.

    Those the list did not show, on other pages or behind a filter, keep their places among themselves and among these.

    Returns:
        Those whose display order was changed for it, as few as possible.
    """
    alias = router.db_for_write(Entity)
    wanted = set(codes)
    rows = list(Entity.objects.using(alias).order_by("display_order", "code"))
    by_code = {row.code: row for row in rows}
    in_new_order = iter([by_code[code] for code in dict.fromkeys(codes) if code in by_code])
    placed = [next(in_new_order) if row.code in wanted else row for row in rows]
    changed = _number(placed, [row.display_order for row in rows])
    if placed and placed[-1].display_order > LARGEST_NUMBER:
        changed = list(dict.fromkeys([*changed, *_number(placed, range(len(placed)))]))
    if changed:
        with writing([*((ENTITY, row.code) for row in changed), (ENTITY_TYPES, "")], using=alias):
            Entity.objects.using(alias).bulk_update(changed, ["display_order"])
    return changed


def _number(rows: Sequence[Entity], numbers: Sequence[int]) -> list[Entity]:
    """Spread ascending numbers over the rows so that they sort as given: equal ones sort by code, so some must grow."""
    changed = []
    before: tuple[int, str] | None = None
    for row, number in zip(rows, numbers, strict=True):
        place = (number, row.code)
        if before is not None and place <= before:
            place = (before[0] if row.code > before[1] else before[0] + 1, row.code)
        if row.display_order != place[0]:
            row.display_order = place[0]
            changed.append(row)
        before = place
    return changed
