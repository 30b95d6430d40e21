"""What dumps of Django's and PostgreSQL's programs are good for, and what `flush` leaves."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.db import IntegrityError, connection

from cache_layer.reading.reads import read_entry
from entities.lookups import ENTITY
from entities.models import Entity
from pmo.run.engines.postgres import program_folder
from tests.api.conftest import make_user
from tests.commands.conftest import run
from tests.conftest import make_entity
from tests.engines import POSTGRES_PROGRAMS
from tests.servers import another_database, own_name, test_database_url

HISTORY = "SELECT pgh_id, pgh_label, code, label, database_role FROM app.entity_event ORDER BY 1"


def delete_everything() -> None:
    tables = ("auth_user_user_permissions", "auth_user", "app.entity", "app.entity_event", "cache_layer_outbox")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("RESET session_replication_role")


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
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM app.entity_event")
        assert cursor.fetchone() == (2,)


@pytest.mark.usefixtures("committed_db")
def test_loaddata_refuses_children_that_do_not_come_at_all(tmp_path: Path) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    rows = json.loads(run("dumpdata", "entities.entity"))
    file = tmp_path / "project.json"
    file.write_text(json.dumps([row for row in rows if row["pk"] == "project"]))
    delete_everything()
    with pytest.raises(IntegrityError, match='unknown child entity types of "project": task'):
        run("loaddata", str(file))
    assert not Entity.objects.exists()


@pytest.mark.usefixtures("committed_db")
def test_a_whole_dump_is_restored_into_an_empty_database(tmp_path: Path) -> None:
    make_entity("z_task")
    make_entity("a_project", child_entity_codes=["z_task"])
    Entity.objects.filter(code="z_task").update(label="Duty")
    here, programs, file = test_database_url(), POSTGRES_PROGRAMS or program_folder(), tmp_path / "dump"
    subprocess.run([programs / "pg_dump", "-Fc", "-f", file, here], check=True)
    with another_database(own_name("restored")) as there:
        subprocess.run([programs / "pg_restore", "--exit-on-error", "-d", there, file], check=True)
        with closing(psycopg.connect(there, autocommit=True)) as restored:
            history = restored.execute(HISTORY).fetchall()
            with connection.cursor() as cursor:
                cursor.execute(HISTORY)
                assert history == cursor.fetchall()
            assert len(history) == 3
            restored.execute("UPDATE app.entity SET label = 'Task' WHERE code = 'z_task'")
            assert len(restored.execute(HISTORY).fetchall()) == 4, "and the numbers go on"


@pytest.mark.django_db
def test_flush_says_what_it_leaves() -> None:
    make_entity("project")
    said = run("flush", interactive=False, inhibit_post_migrate=True)
    assert "The schema app was left as it is: entity types" in said
    assert Entity.objects.exists()
