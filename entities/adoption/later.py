"""What migrations after the first do to the table; of one that was adopted, only to what its platform left to us."""

from __future__ import annotations

from typing import Any

from entities.adoption.operation import read_record
from entities.adoption.table import NAME


def leave_display_order_to_trigger(_: Any, schema_editor: Any) -> None:
    """Who leaves the display order out gives none, so that the trigger does; a platform's own default stays."""
    _set_default(schema_editor, "NULL")


def default_display_order_to_zero(_: Any, schema_editor: Any) -> None:
    """The way back."""
    _set_default(schema_editor, "0")


def _set_default(schema_editor: Any, default: str) -> None:
    added = read_record(schema_editor.connection)
    if added is None or "display_order" in (*added["columns"], *added["defaults"]):
        schema_editor.execute(f"ALTER TABLE {NAME} ALTER COLUMN display_order SET DEFAULT {default}")
