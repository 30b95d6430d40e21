"""Whether the table's columns, names and owner allow it to be adopted."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps

from entities.adoption.mends import Problem, quote_name, quote_text
from entities.adoption.table import NAME, SCHEMA, TABLE, Table
from entities.models import CacheOperation, Entity

FIELDS: tuple[Any, ...] = Entity._meta.local_concrete_fields
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "p": "a partitioned table"}
FILLED_BY_TRIGGER = "entity_type"
"""A trigger sets it to the code when omitted, so it can be added without a default."""
_RIGHTS = """
    SELECT current_user, (
            -- not current_schema(), which leaves out what the role has no rights on yet
            SELECT nspname
            FROM unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY AS path (name, place)
            JOIN pg_namespace ON nspname = replace(trim(name, ' "'), '$user', current_user) ORDER BY place LIMIT 1),
        has_schema_privilege('public', 'CREATE'),
        current_database(), has_database_privilege(current_database(), 'CREATE')
"""
CASTS = {"timestamp with time zone": "{0} AT TIME ZONE 'UTC'", "jsonb": "{0}::jsonb", "boolean": "{0}::text::boolean"}


def type_of(field: Any, connection: Any) -> str:
    """A field's type, in PostgreSQL's spelling."""
    return str(field.db_type(connection)).replace("varchar", "character varying")


def can_be_added(field: Any) -> bool:
    return bool(field.has_db_default()) or field.name == FILLED_BY_TRIGGER


def find_shape_problems(connection: Any, table: Table) -> Iterator[Problem]:
    """
    Obstacles in the table itself.

    Rows can only be checked if there are none: they are read through our columns.
    """
    if table.kind != "r":
        kind = KINDS.get(table.kind, "no table")
        yield Problem(f"{SCHEMA}.{TABLE}", f"it is {kind}", "Only a plain table can be adopted")
        return
    yield from _find_rights(connection, table)
    for field in FIELDS:
        yield from _find_column_problems(connection, table, field)
    yield from _find_taken_names(connection, table)


def _find_rights(connection: Any, table: Table) -> Iterator[Problem]:
    with connection.cursor() as cursor:
        cursor.execute(_RIGHTS)
        user, schema, may_create_in_public, database, may_create_schemas = cursor.fetchone()
    role = quote_name(user)
    if not may_create_schemas:
        grant = f"GRANT CREATE ON DATABASE {quote_name(database)} TO {role};"
        yield Problem(f"database {database}", f"{user} may not create anything in it", grant)
    if table.has_row_security:
        rule = "it has row-level security, and everybody is served the rows that the web servers' role may see"
        yield Problem(f"{SCHEMA}.{TABLE}", rule, "Give that role a policy for all rows", warning=True)
    if not table.is_owned:
        grant = f"GRANT {quote_name(table.owner)} TO {role};"
        rule = f"it belongs to {table.owner}, and {user} is not a member of that role"
        yield Problem(f"{SCHEMA}.{TABLE}", rule, grant)
    if schema != "public":
        rule = f"tables would be made in {schema or 'no schema'}, and the triggers look for them in public"
        yield Problem("search_path", rule, f"ALTER ROLE {role} SET search_path = public;")
    for name, may_create in ((SCHEMA, table.may_create_beside), ("public", may_create_in_public)):
        if not may_create:
            rule = f"{user} may create nothing in the schema"
            yield Problem(f"schema {name}", rule, f"GRANT USAGE, CREATE ON SCHEMA {name} TO {role};")


def _find_column_problems(connection: Any, table: Table, field: Any) -> Iterator[Problem]:
    name, wanted = field.column, type_of(field, connection)
    column = table.columns.get(name)
    alter = f"ALTER TABLE {NAME} ALTER COLUMN {quote_name(name)}"
    if column is None:
        if not can_be_added(field):
            mend = f"ALTER TABLE {NAME} ADD COLUMN {quote_name(name)} {wanted};"
            yield Problem(f"column {name}", "it is missing, and nothing says what it should hold", mend)
        return
    if column.generated:
        yield Problem(f"column {name}", "it is generated, so nobody can write it", f"{alter} DROP EXPRESSION;")
    if column.type != wanted:
        cast = CASTS.get(wanted, "{0}::" + wanted).format(quote_name(name))
        reset = f"{alter} DROP DEFAULT; " if column.default and wanted == "boolean" else ""  # other defaults are cast
        rule = f"it is {column.type}, not {wanted}"
        yield Problem(f"column {name}", rule, f"{reset}{alter} TYPE {wanted} USING {cast};")
    elif column.nullable and column.default is None and not field.null and not can_be_added(field):
        rule = "it may be NULL so far, and will not be: who adds a row without it is refused"
        mend = f"{alter} SET DEFAULT {quote_text('')};"
        yield Problem(f"column {name}", rule, f"Unless nobody does: {mend}", warning=True)


def _find_taken_names(connection: Any, table: Table) -> Iterator[Problem]:
    """Names we use that are taken already, those of our other tables included."""
    ours = {constraint.name for constraint in Entity._meta.constraints}
    for name in sorted(ours.intersection(table.constraints)):
        rename = f"ALTER TABLE {NAME} RENAME CONSTRAINT {quote_name(name)} TO {quote_name(f'{name}_before')};"
        yield Problem(f"constraint {name}", "we have one of that name", rename)
    beside = [index.name for index in Entity._meta.indexes] + ["entity_adoption"]
    for model in (apps.get_model("entities", "EntityEvent"), CacheOperation):
        beside.append(model._meta.db_table.replace('"', "").rpartition(".")[2])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relkind::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = %s AND relname = ANY (%s) ORDER BY 1",
            [SCHEMA, beside],
        )
        for name, kind in cursor.fetchall():
            what = "INDEX" if kind in "iI" else "TABLE"
            rename = f"ALTER {what} {quote_name(SCHEMA)}.{quote_name(name)} RENAME TO {quote_name(f'{name}_before')};"
            yield Problem(f"{SCHEMA}.{name}", "we have something of that name", rename)
