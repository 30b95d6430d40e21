"""What PostgreSQL's catalogue says about `app.entity`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA, TABLE = "app", "entity"
NAME = f'"{SCHEMA}"."{TABLE}"'
RECORD = f'"{SCHEMA}"."entity_adoption"'
"""One row that records what was added to an adopted table; a table of our own has none."""

_TABLE = """
    SELECT c.oid, c.relkind::text, c.relrowsecurity, pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'),
        has_schema_privilege(c.relnamespace, 'CREATE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity <> ''
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# PostgreSQL 18 lists NOT NULL as a constraint; it is reported with the columns.
_CONSTRAINTS = "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype <> 'n'"
_INDEXES = """
    SELECT c.relname,
        i.indisprimary, i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indnatts = 1
            AND a.attname IS NOT DISTINCT FROM 'code',
        EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND conrelid = i.indrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = %s
"""


@dataclass(frozen=True)
class Column:
    """`generated`: by an expression or an identity, so it cannot be written."""

    type: str
    nullable: bool
    default: str | None
    generated: bool


@dataclass(frozen=True)
class Table:
    """The table as it is now; `indexes` are those that belong to no constraint."""

    kind: str
    has_row_security: bool
    owner: str
    is_owned: bool
    may_create_beside: bool
    columns: dict[str, Column]
    constraints: frozenset[str]
    indexes: frozenset[str]
    has_primary_key: bool
    has_unique_code: bool


def was_adopted(connection: Any) -> bool:
    """Whether the table existed before us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [RECORD])
        return bool(cursor.fetchone()[0])


def find_table(connection: Any) -> Table | None:
    """`app.entity`, whatever its kind; None if nothing has that name."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLE, [SCHEMA, TABLE])
        found = cursor.fetchone()
        if found is None:
            return None
        oid, kind, has_row_security, owner, is_owned, may_create_beside = found
        cursor.execute(_COLUMNS, [oid])
        columns = {name: Column(*rest) for name, *rest in cursor.fetchall()}
        cursor.execute(_CONSTRAINTS, [oid])
        constraints = frozenset(name for (name,) in cursor.fetchall())
        cursor.execute(_INDEXES, [oid])
        indexes = cursor.fetchall()
    return Table(
        kind=kind,
        has_row_security=has_row_security,
        owner=owner,
        is_owned=is_owned,
        may_create_beside=may_create_beside,
        columns=columns,
        constraints=constraints,
        indexes=frozenset(name for name, _, _, of_constraint in indexes if not of_constraint),
        has_primary_key=any(primary for _, primary, _, _ in indexes),
        has_unique_code=any(unique for _, _, unique, _ in indexes),
    )
