"""Putting entity types in another order, many at once."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections, router, transaction

from entities.changes import writing_types
from entities.models import Entity

LARGEST_NUMBER = 2**31 - 1
"""PostgreSQL's largest integer; where numbers would grow beyond it, all are counted anew."""


class ReorderedMeanwhile(Exception):
    """Their order is no longer the one that was rearranged; nothing was changed."""


def reorder_entities(codes: Sequence[str], *, seen: Sequence[str]) -> list[Entity]:
    """
    Put these entity types in this order, in the places they have together; all others stay where they are.

    Those the list did not show, on other pages or behind a filter, keep their places among themselves and among these.

    Args:
        seen: the order they had when somebody began to rearrange them.
    Returns:
        Those whose display order was changed for it, as few as possible.
    Raises:
        ReorderedMeanwhile: they have another order by now.
    """
    alias = router.db_for_write(Entity)
    with transaction.atomic(using=alias):
        _wait_for_others(alias)
        rows = list(Entity.objects.using(alias))
        by_code = {row.code: row for row in rows}
        wanted = by_code.keys() & set(codes)
        if [row.code for row in rows if row.code in wanted] != [code for code in seen if code in wanted]:
            raise ReorderedMeanwhile
        in_new_order = iter([by_code[code] for code in dict.fromkeys(codes) if code in wanted])
        placed = [next(in_new_order) if row.code in wanted else row for row in rows]
        changed = _number(placed, [row.display_order for row in rows])
        if placed and placed[-1].display_order > LARGEST_NUMBER:
            changed = list(dict.fromkeys([*changed, *_number(placed, range(len(placed)))]))
        if changed:
            with writing_types(*(row.code for row in changed)):
                Entity.objects.using(alias).bulk_update(changed, ["display_order"])
    return changed


def _wait_for_others(alias: str) -> None:
    """Let one transaction at a time rearrange; row locks would be taken in as many orders as there are."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('entities: reorder'))")


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
