"""
Migrations beside servers that are at work, and beside each other; they can change every column of `app.entity`.

What dumps of Django's and PostgreSQL's programs are good for, and what `flush` leaves.
"""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AlterField
from django.db.migrations.state import ProjectState

from cache_layer.reading.reads import read_entry
from entities.lookups import ENTITY
from entities.models import Entity
from pmo.management.commands.migrate import LOCK, only_migration
from pmo.run.engines.postgres import program_folder
from tests.api.conftest import make_user
from tests.commands.conftest import run
from tests.conftest import make_entity, make_linked, sql, without_triggers
from tests.engines import POSTGRES_PROGRAMS
from tests.servers import another_database, own_name, test_database_url

FIRST = {
    "cache_layer": {"0001_outbox"},
    "entities": {"0001_initial", "0002_coherence_triggers", "0003_history_and_operations"},
}
"""The migrations that no older version ever ran beside."""
UNSAFE = {
    r"\bDROP COLUMN\b": "the old version still reads the column",
    r"\bDROP TABLE\b": "the old version still uses the table",
    r"\bRENAME (COLUMN|TO)\b": "the old version knows the old name",
    r"\bALTER COLUMN \S+ TYPE\b": "the table is rewritten under an exclusive lock",
    r"\bSET NOT NULL\b": "the old version may write nothing there",
    r"\bADD COLUMN (?!.*\bDEFAULT\b)[^;]*\bNOT NULL\b": "the old version writes nothing there",
    r"\bCREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "writers wait until it is made: AddIndexConcurrently",
}


def find_unsafe(sql: str) -> list[str]:
    """What in a migration an older version that is still running, or its writers, could not bear."""
    new = set(re.findall(r"CREATE TABLE (\S+)", sql))
    statements = [each for each in sql.split(";") if not any(f"ON {table} " in each for table in new)]
    return [why for pattern, why in UNSAFE.items() if any(re.search(pattern, each) for each in statements)]


def test_migrations_can_run_beside_the_version_before(committed_db: None) -> None:
    """Expand now, contract in a later release: a migration that takes something away is called so."""
    migrations = MigrationLoader(connection).disk_migrations
    for app, name in migrations:
        if app not in FIRST or name in FIRST[app] or "contract" in name:
            continue
        printed = StringIO()
        call_command("sqlmigrate", app, name, stdout=printed)
        assert find_unsafe(printed.getvalue()) == [], f"{app}.{name}: see docs/operations.md, Stopping and updating"


def test_what_an_older_version_could_not_bear_is_found(subtests: pytest.Subtests) -> None:
    for statement, is_safe in [
        ('ALTER TABLE "t" ADD COLUMN "c" text NULL;', True),
        ('ALTER TABLE "t" ADD COLUMN "c" text DEFAULT \'\' NOT NULL;', True),
        ('CREATE TABLE "tag" ("name" text NOT NULL); CREATE INDEX "tag_name" ON "tag" ("name");', True),
        ('CREATE INDEX CONCURRENTLY "i" ON "t" ("c");', True),
        ('ALTER TABLE "t" ADD COLUMN "c" text NOT NULL;', False),
        ('CREATE INDEX "i" ON "t" ("c");', False),
        ('ALTER TABLE "t" DROP COLUMN "c" CASCADE;', False),
        ('ALTER TABLE "t" RENAME COLUMN "c" TO "d";', False),
        ('ALTER TABLE "t" ALTER COLUMN "c" TYPE text USING "c"::text;', False),
        ('ALTER TABLE "t" ALTER COLUMN "c" SET NOT NULL;', False),
        ('DROP TABLE "t" CASCADE;', False),
    ]:
        with subtests.test(statement=statement):
            assert (find_unsafe(statement) == []) is is_safe


def test_of_several_migrations_at_once_one_works_and_the_others_wait(committed_db: None) -> None:
    def migrate() -> str:
        try:
            call_command("migrate", verbosity=0)
            return "done"
        finally:
            connections.close_all()

    with psycopg.connect(test_database_url(), autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [LOCK])
        waiting = pool.submit(migrate)
        while not other.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").rowcount:
            assert not waiting.done()
        other.execute("SELECT pg_advisory_unlock_all()")
        assert waiting.result(timeout=60) == "done"
        free = other.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [LOCK]).fetchone()
        assert free == (True,), "none of them has kept it"


@pytest.mark.django_db
def test_a_migration_waits_for_a_table_no_longer_than_servers_can_wait_behind_it() -> None:
    before = sql("SHOW lock_timeout")
    with only_migration("default"):
        assert sql("SHOW lock_timeout") == [("1s",)]
    assert sql("SHOW lock_timeout") == before


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
    sql("ALTER TABLE app.entity DISABLE TRIGGER pgtrigger_place_last_86a83")
    sql("ALTER TABLE app.entity ENABLE ALWAYS TRIGGER pgtrigger_keep_code_97340")
    triggers = sql(TRIGGERS)
    type_ = alter(name)
    assert sql(TRIGGERS) == triggers
    assert dict(sql(TYPES))[name] == {"bool": "boolean", "pg_catalog.jsonb": "jsonb"}.get(type_, type_)
    project.active_flag = False
    project.save()
    assert sql("SELECT pgh_label FROM app.entity_event WHERE code = 'project' ORDER BY 1") == [("insert",), ("update",)]


HISTORY = "SELECT pgh_id, pgh_label, code, label, database_role FROM app.entity_event ORDER BY 1"


def delete_everything() -> None:
    tables = ("auth_user_user_permissions", "auth_user", "app.entity", "app.entity_event", "cache_layer_outbox")
    without_triggers("; ".join(f"DELETE FROM {table}" for table in tables))


@pytest.mark.filterwarnings("ignore::django.core.management.commands.dumpdata.ProxyModelWarning")
@pytest.mark.usefixtures("committed_db")
def test_loaddata_takes_what_dumpdata_wrote_in_any_order_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    make_user("ada", "change")
    make_entity("z_task", display_order=3)
    make_entity("a_project", child_entity_codes=["z_task"], display_order=2)
    rows = run("dumpdata", "entities.entity")
    file = tmp_path / "all.json"
    run("dumpdata", output=str(file))
    codes = [row["pk"] for row in json.loads(file.read_text()) if row["model"] == "entities.entity"]
    assert codes == ["a_project", "z_task"]
    delete_everything()
    assert "Left out 2 rows that triggers write" in run("loaddata", str(file))
    assert run("dumpdata", "entities.entity") == rows
    assert read_entry(ENTITY, "a_project").document is not None
    assert sql("SELECT count(*) FROM app.entity_event") == [(2,)]


@pytest.mark.usefixtures("committed_db")
def test_loaddata_refuses_children_that_do_not_come_at_all(tmp_path: Path) -> None:
    make_linked("task", project="task")
    rows = json.loads(run("dumpdata", "entities.entity"))
    file = tmp_path / "project.json"
    file.write_text(json.dumps([row for row in rows if row["pk"] == "project"]))
    delete_everything()
    with pytest.raises(IntegrityError, match='unknown child entity types of "project": task'):
        run("loaddata", str(file))
    assert not Entity.objects.exists()


@pytest.mark.usefixtures("committed_db")
def test_a_whole_dump_is_restored_into_an_empty_database(tmp_path: Path) -> None:
    make_linked("z_task", a_project="z_task")
    Entity.objects.filter(code="z_task").update(label="Duty")
    here, programs, file = test_database_url(), POSTGRES_PROGRAMS or program_folder(), tmp_path / "dump"
    subprocess.run([programs / "pg_dump", "-Fc", "-f", file, here], check=True)
    with another_database(own_name("restored")) as there:
        subprocess.run([programs / "pg_restore", "--exit-on-error", "-d", there, file], check=True)
        with closing(psycopg.connect(there, autocommit=True)) as restored:
            history = restored.execute(HISTORY).fetchall()
            assert (history, len(history)) == (sql(HISTORY), 3)
            restored.execute("UPDATE app.entity SET label = 'Task' WHERE code = 'z_task'")
            assert len(restored.execute(HISTORY).fetchall()) == 4, "and the numbers go on"


@pytest.mark.django_db
def test_flush_says_what_it_leaves() -> None:
    make_entity("project")
    said = run("flush", interactive=False, inhibit_post_migrate=True)
    assert "The schema app was left as it is: entity types" in said
    assert Entity.objects.exists()
