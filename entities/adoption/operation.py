"""The first migration's operation: create the table or adopt the existing one, and reverse that."""

import json
from collections.abc import Iterator
from typing import Any, cast

from django.db import IntegrityError, transaction
from django.db.migrations import CreateModel
from django.db.models import Model

from entities.adoption.mends import quote_name
from entities.adoption.rows import default_of
from entities.adoption.run import refuse_problems
from entities.adoption.shape import FILLED_BY_TRIGGER, can_be_added, type_of
from entities.adoption.table import NAME, RECORD, SCHEMA, Table, find_table, was_adopted


class AdoptOrCreateModel(CreateModel):
    """Like Django's `CreateModel`, which fails if the table exists."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        connection = schema_editor.connection
        if schema_editor.collect_sql or find_table(connection) is None:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(connection.alias, to_state.apps.get_model(app_label, self.name)):
            _adopt_table(schema_editor, to_state.apps.get_model(app_label, self.name))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        added = None if schema_editor.collect_sql else read_record(schema_editor.connection)
        if added is None:
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            _give_table_back(schema_editor, added)


def _adopt_table(schema_editor: Any, model: type[Model]) -> None:
    """Add what is missing, in the migration's transaction, and record it."""
    connection = schema_editor.connection
    schema_editor.execute(f"LOCK TABLE {NAME} IN ACCESS EXCLUSIVE MODE")
    before = cast(Table, find_table(connection))
    refuse_problems(connection, under_lock=True)
    if FILLED_BY_TRIGGER not in before.columns:  # no UPDATE: existing triggers would record it, or change times
        column = f"{quote_name(FILLED_BY_TRIGGER)} {type_of(model._meta.get_field(FILLED_BY_TRIGGER), connection)}"
        schema_editor.execute(f"ALTER TABLE {NAME} ADD COLUMN {column} GENERATED ALWAYS AS (code) STORED")
        schema_editor.execute(f"ALTER TABLE {NAME} ALTER COLUMN {quote_name(FILLED_BY_TRIGGER)} DROP EXPRESSION")
    changes = ", ".join(_missing(schema_editor, model, before))
    try:
        with transaction.atomic(using=connection.alias):
            schema_editor.execute(f"ALTER TABLE {NAME} {changes}", params=None)  # at once: one pass over the rows
    except IntegrityError:
        refuse_problems(connection)
        raise
    for index in schema_editor._model_indexes_sql(model):
        schema_editor.execute(index, params=None)
    _write_record(schema_editor, _difference(before, cast(Table, find_table(connection))))


def _missing(schema_editor: Any, model: type[Model], table: Table) -> Iterator[str]:
    """The parts of one ALTER TABLE. Existing defaults stay."""
    for field in cast(Any, model)._meta.local_concrete_fields:
        name, column = quote_name(field.column), table.columns.get(field.column)
        if column is None and field.name != FILLED_BY_TRIGGER:
            sql, parameters = schema_editor.column_sql(model, field)
            yield f"ADD COLUMN {name} " + sql % tuple(schema_editor.quote_value(each) for each in parameters)
            continue
        if column and column.default is None and can_be_added(field) and field.name != FILLED_BY_TRIGGER:
            yield f"ALTER COLUMN {name} SET DEFAULT {default_of(schema_editor, field)}"
        if not field.null and (column is None or column.nullable):
            yield f"ALTER COLUMN {name} SET NOT NULL"
    if not table.has_primary_key:
        yield "ADD PRIMARY KEY (code)"
    elif not table.has_unique_code:
        yield "ADD CONSTRAINT entity_code_unique UNIQUE (code)"
    for constraint in model._meta.constraints:
        yield f"ADD {constraint.constraint_sql(model, schema_editor)}"


def _difference(before: Table, after: Table) -> dict[str, list[str]]:
    had = before.columns
    kept = {name: column for name, column in after.columns.items() if name in had}
    return {
        "columns": [name for name in after.columns if name not in had],
        "defaults": [name for name, column in kept.items() if column.default and had[name].default is None],
        "not_null": [name for name, column in kept.items() if not column.nullable and had[name].nullable],
        "constraints": [name for name in after.constraints if name not in before.constraints],
        "indexes": [name for name in after.indexes if name not in before.indexes],
    }


def _write_record(schema_editor: Any, added: dict[str, list[str]]) -> None:
    """Only its owner may write it, because the reversal obeys it."""
    schema_editor.execute(
        f"CREATE TABLE {RECORD} (added jsonb NOT NULL, adopted_ts timestamptz NOT NULL DEFAULT now())"
    )
    schema_editor.execute(f"INSERT INTO {RECORD} (added) VALUES (%s)", [json.dumps(added)])
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END"
            " FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner",
            [RECORD],
        )
        others = ", ".join(role for (role,) in cursor.fetchall())
    if others:
        schema_editor.execute(f"REVOKE ALL ON {RECORD} FROM {others}")


def read_record(connection: Any) -> dict[str, list[str]] | None:
    """What the adoption added to the table; None if the table is our own."""
    if not was_adopted(connection):
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT added::text FROM {RECORD}")
        found: dict[str, list[str]] = json.loads(cursor.fetchone()[0])
        return found


def _give_table_back(schema_editor: Any, added: dict[str, list[str]]) -> None:
    """Remove what the adoption added, and nothing else."""
    for name in added["indexes"]:
        schema_editor.execute(f"DROP INDEX IF EXISTS {quote_name(SCHEMA)}.{quote_name(name)}")
    changes = [f"DROP CONSTRAINT IF EXISTS {quote_name(name)}" for name in added["constraints"]]
    changes += [f"ALTER COLUMN {quote_name(name)} DROP DEFAULT" for name in added["defaults"]]
    changes += [f"ALTER COLUMN {quote_name(name)} DROP NOT NULL" for name in added["not_null"]]
    changes += [f"DROP COLUMN IF EXISTS {quote_name(name)}" for name in added["columns"]]
    schema_editor.execute(f"ALTER TABLE {NAME} {', '.join(changes)}", params=None)
    schema_editor.execute(f"DROP TABLE {RECORD}")
