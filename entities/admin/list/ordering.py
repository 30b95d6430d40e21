"""Reorders many entity types at once."""

from collections.abc import Sequence

from django.db import connections, router, transaction

from entities.changes import ChangedMeanwhile, writing_types
from entities.models import Entity

LARGEST_NUMBER = 2**31 - 1
"""PostgreSQL's largest integer; if numbers would exceed it, all are renumbered."""


def reorder_entities(codes: Sequence[str], *, seen: Sequence[str]) -> list[Entity]:
    """
    Put these entity types in this order, using the places they already occupy; all others stay where they are.

    Types on other pages, or hidden by a filter, keep their order among themselves and relative to these.

    Args:
        seen: their order when the user began to rearrange them.
    Returns:
        Those whose display order changed, as few as possible.
    Raises:
        ChangedMeanwhile: their order has changed since.
    """
    alias = router.db_for_write(Entity)
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:  # one by one: row locks in differing orders would deadlock
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('entities: reorder'))")
        rows = list(Entity.objects.using(alias))
        by_code = {row.code: row for row in rows}
        wanted = by_code.keys() & set(codes)
        if [row.code for row in rows if row.code in wanted] != [code for code in seen if code in wanted]:
            raise ChangedMeanwhile
        in_new_order = iter([by_code[code] for code in dict.fromkeys(codes) if code in wanted])
        placed = [next(in_new_order) if row.code in wanted else row for row in rows]
        changed = _number(placed, [row.display_order for row in rows])
        if placed and placed[-1].display_order > LARGEST_NUMBER:
            changed = list(dict.fromkeys([*changed, *_number(placed, range(len(placed)))]))
        if changed:
            with writing_types(*(row.code for row in changed)):
                Entity.objects.using(alias).bulk_update(changed, ["display_order"])
    return changed


def _number(rows: Sequence[Entity], numbers: Sequence[int]) -> list[Entity]:
    """Assign ascending numbers that sort the rows as given; ties sort by code, so some numbers must grow."""
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
