"""What a database looks like, for comparing."""

from __future__ import annotations

import subprocess
from typing import Any

import psycopg

from entities.models import Entity
from pmo.run.engines.postgres import program_folder

OURS = tuple(field.column for field in Entity._meta.local_concrete_fields)

PARTS = {
    "columns": """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = 'app.entity'::regclass AND a.attname = ANY (%s)""",
    "constraints": """
        SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE conrelid = 'app.entity'::regclass AND contype IN ('c', 'p', 'u') AND %s::text[] IS NOT NULL""",
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'app' AND tablename = 'entity' AND indexname <> 'entity_db_table'
            AND %s::text[] IS NOT NULL""",
    "triggers": """
        SELECT pg_get_triggerdef(t.oid), p.prosrc, p.prosecdef, p.proconfig
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = 'app.entity'::regclass AND NOT t.tgisinternal AND %s::text[] IS NOT NULL""",
}


def schema_of(url: str) -> dict[str, list[Any]]:
    """Our columns of `app.entity`, and what hangs on the table; without order."""
    with psycopg.connect(url, autocommit=True) as session:
        return {
            part: sorted(session.execute(sql, [list(OURS)]).fetchall(), key=repr)  # type: ignore[call-overload]
            for part, sql in PARTS.items()
        }


def dump(url: str, *, whole: bool = False) -> str:
    """Structure, rows, rights and comments of the schema `app`, or of the whole database, as SQL."""
    command = [program_folder() / "pg_dump", "--restrict-key=x", *(() if whole else ("--schema=app",)), url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
