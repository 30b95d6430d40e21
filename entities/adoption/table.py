"""What PostgreSQL's catalogue says about `app.entity`."""

from dataclasses import dataclass
from typing import Any

SCHEMA, TABLE = "app", "entity"
NAME = f'"{SCHEMA}"."{TABLE}"'
RECORD = f'"{SCHEMA}"."entity_adoption"'
"""One row that records what was added to an adopted table; a table of our own has none."""

# PostgreSQL 18 lists NOT NULL as a constraint; it is reported with the columns.
_TABLE = """
    SELECT c.oid, c.relkind::text, c.relrowsecurity, pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'),
        has_schema_privilege(c.relnamespace, 'CREATE'),
        ARRAY(SELECT conname::text FROM pg_constraint WHERE conrelid = c.oid AND contype <> 'n' ORDER BY 1),
        ARRAY(SELECT relname::text FROM pg_index JOIN pg_class i ON i.oid = indexrelid WHERE indrelid = c.oid
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid) ORDER BY 1),
        EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary),
        EXISTS (
            SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] AND attname = 'code'
            WHERE indrelid = c.oid AND indnatts = 1 AND indpred IS NULL AND indisunique AND indisvalid AND indimmediate)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
        pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity <> ''
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
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

    columns: dict[str, Column]
    kind: str
    has_row_security: bool
    owner: str
    is_owned: bool
    may_create_beside: bool
    constraints: list[str]
    indexes: list[str]
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
        oid, *facts = found
        cursor.execute(_COLUMNS, [oid])
        return Table({name: Column(*rest) for name, *rest in cursor.fetchall()}, *facts)
