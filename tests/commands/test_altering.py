"""Later migrations can change every column of `app.entity`, whatever triggers look at it."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.operations import AlterField
from django.db.migrations.state import ProjectState

from entities.models import Entity
from tests.conftest import make_entity

OTHER_TYPES = {
    "display_order": "bigint",
    "created_ts": "timestamp(3) with time zone",
    "modified_ts": "timestamp(3) with time zone",
    # The same by another name, of which PostgreSQL takes no notice: it refuses, or changes, as if it were another.
    "active_flag": "bool",
    "child_entity_codes": "pg_catalog.jsonb",
}
TYPES = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = 'app.entity'::regclass AND attnum > 0
"""
TRIGGERS = """
    SELECT tgname, tgenabled::text, pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'), prosecdef
    FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid WHERE tgrelid = 'app.entity'::regclass ORDER BY tgname
"""


class OtherField(models.Field):  # type: ignore[type-arg] # generic for the stubs alone
    """One of another type."""

    def db_type(self, connection: Any) -> str:
        return OTHER_TYPES[self.name]


def run(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def alter(name: str) -> str:
    """What a migration does that changes a column's length, or its type, which is returned."""
    changed: Any = Entity._meta.get_field(name).clone()
    if name in OTHER_TYPES:
        changed = OtherField()
    else:
        changed.max_length += 10
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation = AlterField("entity", name, changed)
    operation.state_forwards("entities", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("entities", editor, before, after)
    return OTHER_TYPES.get(name) or f"character varying({changed.max_length})"


@pytest.mark.django_db
@pytest.mark.parametrize("name", [field.name for field in Entity._meta.concrete_fields])
def test_a_migration_can_change_any_column_and_all_triggers_are_as_before(name: str) -> None:
    make_entity("task")
    project = make_entity("project", child_entity_codes=["task"])
    run("ALTER TABLE app.entity DISABLE TRIGGER pgtrigger_place_last_86a83")
    run("ALTER TABLE app.entity ENABLE ALWAYS TRIGGER pgtrigger_keep_code_97340")
    triggers = run(TRIGGERS)
    type_ = alter(name)
    assert run(TRIGGERS) == triggers
    assert dict(run(TYPES))[name] == {"bool": "boolean", "pg_catalog.jsonb": "jsonb"}.get(type_, type_)
    project.active_flag = False
    project.save()
    assert run("SELECT pgh_label FROM app.entity_event WHERE code = 'project' ORDER BY 1") == [("insert",), ("update",)]
