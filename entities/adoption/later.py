"""What later migrations do to the table; if it was adopted, only to what its platform left to us."""

from __future__ import annotations

import logging
from typing import Any

from entities.adoption.mends import TEXTS, TEXTS_BROKEN, TEXTS_MENDED
from entities.adoption.operation import read_record
from entities.adoption.rows import SHOWN_ROWS
from entities.adoption.table import NAME, RECORD, was_adopted

logger = logging.getLogger(__name__)

_MEND = f"""
    WITH found AS (SELECT code AS which, ARRAY[{", ".join(TEXTS)}] AS texts FROM {NAME} WHERE {TEXTS_BROKEN} FOR UPDATE)
    UPDATE {NAME} SET {TEXTS_MENDED} FROM found WHERE code = which RETURNING code, texts, ARRAY[{", ".join(TEXTS)}]
"""


def leave_display_order_to_trigger(_: Any, schema_editor: Any) -> None:
    """Default to NULL, so that the trigger sets an omitted display order; a platform's own default stays."""
    _set_default(schema_editor, "NULL")


def default_display_order_to_zero(_: Any, schema_editor: Any) -> None:
    """Reverses `leave_display_order_to_trigger`."""
    _set_default(schema_editor, "0")


def _set_default(schema_editor: Any, default: str) -> None:
    added = read_record(schema_editor.connection)
    if added is None or "display_order" in (*added["columns"], *added["defaults"]):
        schema_editor.execute(f"ALTER TABLE {NAME} ALTER COLUMN display_order SET DEFAULT {default}")


def mend_texts(_: Any, schema_editor: Any) -> None:
    """
    Compose labels and make them readable; changed rows are logged.

    Not in the adoption's transaction: an adoption changes no rows, and the constraint reports broken ones.
    """
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if was_adopted(connection):
            cursor.execute(f"SELECT adopted_ts = now() FROM {RECORD}")
            if cursor.fetchone()[0]:
                return
        cursor.execute(_MEND)
        mended = cursor.fetchall()
    for code, before, after in mended[:SHOWN_ROWS]:
        logger.warning("Entity type %s: %s is %s now", code, ascii(before), ascii(after))
    if len(mended) > SHOWN_ROWS:
        logger.warning("And %s more entity types", len(mended) - SHOWN_ROWS)
