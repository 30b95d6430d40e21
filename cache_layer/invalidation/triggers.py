"""
Changes made behind Django's back: psql, COPY, TRUNCATE, other services.

    class Meta:
        triggers = coherence_triggers('"app"."entity"', field="code", column="code")
"""

from __future__ import annotations

from pathlib import Path

import pgtrigger

from cache_layer.keys import CHANGES_CHANNEL


def coherence_triggers(table: str, *, field: str, column: str) -> list[pgtrigger.Trigger]:
    """
    The triggers that note every change of a table in the outbox, in the transaction that makes it.

    Args:
        table: the model's `db_table`.
        field: the `identifier_field` of the model's lookups.
        column: its column.
    """
    names = {"table": table, "field": field, "column": column, "channel": CHANGES_CHANNEL}
    return [
        pgtrigger.Trigger(
            name="record_row",
            when=pgtrigger.After,
            operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
            func=_sql("record_row").format_map(names),
        ),
        pgtrigger.Trigger(
            name="record_truncate",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=pgtrigger.Truncate,
            func=_sql("record_truncate").format_map(names),
        ),
    ]


def _sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()
