"""
Changes made behind Django's back: psql, COPY, TRUNCATE, other services.

    class Meta:
        triggers = coherence_triggers('"app"."entity"', field="code", column="code")
"""

import functools
import operator
from pathlib import Path

import pgtrigger

from cache_layer.keys import CHANGES_CHANNEL


def coherence_triggers(
    table: str, *, field: str, column: str, only: tuple[str, ...] = (), created: bool = True, suffix: str = ""
) -> list[pgtrigger.Trigger]:
    """
    The triggers that record every change of a table in the outbox, in the same transaction.

    Args:
        table: the model's `db_table`.
        field: the field by which the lookups' parts tell entries apart.
        column: the field's column.
        only: the names of the fields whose changes matter; empty for all.
        created: whether new rows matter.
        suffix: appended to the triggers' names, if the table already has these triggers for another field.
    """
    names = {"table": table, "field": field, "column": column, "channel": CHANGES_CHANNEL}
    note = _sql("record_row").format_map(names)
    operations = [pgtrigger.Insert] * created + [pgtrigger.Update] * (not only) + [pgtrigger.Delete]
    every_row = functools.reduce(operator.or_, operations)
    after = functools.partial(pgtrigger.Trigger, when=pgtrigger.After)
    triggers = [after(name=f"record_row{suffix}", operation=every_row, func=note)]
    if only:
        some = pgtrigger.AnyChange(*only)
        triggers.append(after(name=f"record_change{suffix}", operation=pgtrigger.Update, condition=some, func=note))
    note_all = _sql("record_truncate").format_map(names)
    triggers.append(
        after(name=f"record_truncate{suffix}", level=pgtrigger.Statement, operation=pgtrigger.Truncate, func=note_all)
    )
    return triggers


def _sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()
