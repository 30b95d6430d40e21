"""The rights in deploy/ are enough for all the platform does, and allow nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.core.cache import caches
from django.db import connection
from psycopg.conninfo import conninfo_to_dict
from redis.exceptions import ResponseError

from cache_layer import Source, metrics, read_entries, read_entry
from cache_layer.checks import check_server
from cache_layer.counting.analytics import Span, read_activity, read_series
from cache_layer.counting.reporting import report_activity
from cache_layer.inspect import Kind, count_roughly, read_states
from cache_layer.protocol.scripts import read_stamps
from cache_layer.reading.refresh import find_due
from cache_layer.server.connection import get_writer_client, is_redis_healthy
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.clearing import clear_entries
from entities.lookups import ENTITY
from entities.management.commands.cache_status import look
from entities.models import Entity
from pmo.lookups import PERSON
from pmo.run.engines.postgres import program_folder
from tests.api.conftest import make_user
from tests.cache_layer.topology import caches_at, read
from tests.conftest import make_entity
from tests.engines import PROGRAMS
from tests.servers import ROOT, test_database_url
from tests.topologies import PLAIN, Server
from tests.waiting import wait_for

PASSWORD = "only for this test"
FORBIDDEN_IN_REDIS = [
    ("GET", "another:program"),
    ("SET", "another:program", "x"),
    ("EVAL", "return redis.call('GET', 'another:program')", 0),
    ("FLUSHALL",),
    ("KEYS", "*"),
    ("CONFIG", "SET", "save", ""),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("REPLICAOF", "NO", "ONE"),
    ("CLIENT", "KILL", "TYPE", "normal"),
]
FORBIDDEN_IN_SQL = [
    "TRUNCATE app.entity",
    "DROP TABLE app.entity",
    "ALTER TABLE app.entity DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE TABLE public.mine (i int)",
    "CREATE FUNCTION app.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "COPY app.entity TO PROGRAM 'cat'",
    "CREATE ROLE mine",
    "INSERT INTO app.entity_event SELECT * FROM app.entity_event",
]
FORBIDDEN_TO_A_SERVICE = [
    "SELECT FROM app.entity_event",
    "SELECT FROM public.cache_layer_outbox",
    "INSERT INTO public.cache_layer_outbox DEFAULT VALUES",
    "DELETE FROM public.cache_layer_outbox",
    "SELECT FROM public.auth_user",
    "SELECT FROM app.cache_operation",
]


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[None]:
    """A Valkey with the rules of deploy/, which this process logs into."""
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    rules = (ROOT / "deploy/redis/users.acl").read_text()
    for name in ("REDIS", "REPLICATION", "SENTINEL"):
        rules = rules.replace(f"{name}_PASSWORD_SHA256", digest)
    file = tmp_path / "users.acl"
    file.write_text(rules)
    server = Server(tmp_path / "server", (*PLAIN, "--aclfile", str(file)))
    server.start()
    try:
        with caches_at(f"redis://pmo:{quote(PASSWORD)}@127.0.0.1:{server.port}/0"):
            wait_for(is_redis_healthy)
            yield
    finally:
        server.stop()


@pytest.mark.usefixtures("committed_db", "guarded_redis")
def test_the_users_rules_are_enough_for_redis_and_no_more() -> None:
    unheld = metrics.UNHELD_WRITES.labels("silent")._value.get()
    rows = [make_entity(code) for code in ("project", "task", "risk")]
    assert {one.source for one in read_entries(ENTITY, ["project", "task", "nothing"]).values()} <= set(Source)
    assert read("risk").source is Source.REDIS
    find_due([ENTITY.key("risk")], 300)
    user = make_user("ada", "change")
    assert read_entry(PERSON, str(user.pk)).source is Source.REDIS
    assert all(read_stamps([*ENTITY.stamp_keys(), *PERSON.stamp_keys()], "a nonce", 60).values())
    rows[0].save()
    Entity.objects.filter(code__in=["task", "risk"]).update(label="new")
    assert read_states(ENTITY, ["task"])["task"].kind in (Kind.CACHED, Kind.NOT_CACHED)
    assert look(None).server.version
    assert count_roughly().complete
    assert audit_cache().mismatches == ()
    report_activity()
    assert read_series(Span.HOUR).counts
    assert read_activity(ENTITY, ["task"])
    assert clear_entries(ENTITY) == 3
    assert metrics.UNHELD_WRITES.labels("silent")._value.get() == unheld
    for alias in ("default", "sessions"):
        caches[alias].set_many({"a": 1, "b": 2})
        assert caches[alias].get_many(["a", "b"]) == {"a": 1, "b": 2}
        assert caches[alias].get_or_set("c", 3) == 3
        caches[alias].delete_many(["a", "b", "c"])
    assert check_server() == []
    assert is_redis_healthy()
    for command in FORBIDDEN_IN_REDIS:
        with pytest.raises(ResponseError, match="permissions"):
            get_writer_client().execute_command(*command)


@pytest.fixture
def url_of(committed_db: None) -> Iterator[Callable[[str], str]]:
    """A database like this test's, whose tables the migrator has made: its URL for the role `web` or `service`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    roles = {name: f"{name}_{worker}" for name in ("migrator", "web", "service")}
    database, here = f"roles_{worker}", test_database_url()
    there = here.replace(f"/{connection.settings_dict['NAME']}?", f"/{database}?")
    programs = PROGRAMS.postgres or program_folder()
    psql = [str(programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1"]
    rights = [argument for name, role in roles.items() for argument in ("-v", f"{name}={role}")]
    rights += ["-f", str(ROOT / "deploy/postgres/roles.sql")]
    schema = subprocess.check_output([programs / "pg_dump", "--schema-only", "--no-owner", "--no-acl", here])

    def run(url: str, *arguments: str, stdin: bytes = b"") -> None:
        subprocess.run([*psql, *arguments, url], input=stdin, check=True)

    run(here, "-c", f"CREATE DATABASE {database}")
    try:
        run(there, *rights)
        run(there.replace("postgres@", f"{roles['migrator']}@"), stdin=schema.replace(b"CREATE SCHEMA app;", b""))
        run(there, *rights)
        yield lambda role: there.replace("postgres@", f"{roles[role]}@")
    finally:
        run(here, "-c", f"DROP DATABASE {database} (FORCE)", "-c", f"DROP ROLE {', '.join(roles.values())}")


INSERT = """
    INSERT INTO app.entity (code, label, label_plural, icon, child_entity_codes)
    VALUES ('project', 'Project', 'Projects', 'Box', '["project"]')
"""


def test_the_web_role_reads_and_writes_rows_and_no_more(url_of: Callable[[str], str]) -> None:
    with psycopg.connect(url_of("web"), autocommit=True) as database:
        database.execute("LISTEN cache_layer_changes")
        database.execute(INSERT)
        database.execute("UPDATE app.entity SET label = 'new', child_entity_codes = '[]' WHERE code = 'project'")
        assert database.execute("SELECT count(*) FROM app.entity_event").fetchone() == (2,)
        assert database.execute("DELETE FROM cache_layer_outbox").rowcount == 2
        assert database.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)
        database.execute("DELETE FROM app.entity")
        for statement in FORBIDDEN_IN_SQL:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(statement)


def test_a_service_writes_rows_is_named_in_the_history_and_can_do_no_more(url_of: Callable[[str], str]) -> None:
    with psycopg.connect(url_of("service"), autocommit=True, application_name="psql") as database:
        service = database.info.user
        database.execute("SET pgtrigger.ignore = '{pgtrigger_insert_insert_10f03, pgtrigger_record_row_c4baa}'")
        database.execute(INSERT)
        database.execute("UPDATE app.entity SET label = 'new', child_entity_codes = '[]' WHERE code = 'project'")
        database.execute("DELETE FROM app.entity")
        for statement in [*FORBIDDEN_IN_SQL, *FORBIDDEN_TO_A_SERVICE]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(statement)
    with psycopg.connect(url_of("web")) as database:
        found = database.execute("SELECT pgh_label, database_role, application_name FROM app.entity_event ORDER BY 1")
        assert found.fetchall() == [(change, service, "psql") for change in ("delete", "insert", "update")]
        assert database.execute("SELECT identifier FROM cache_layer_outbox").fetchall() == [("project",)] * 3


MINE = """
    SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace IN ('app', 'public') AND relkind IN ('r', 'S')
    AND relowner <> %s::regrole
"""


@pytest.mark.parametrize("before", ["nothing", "tables of the superuser"])
def test_the_containers_roles_are_enough_whoever_made_the_tables(committed_db: None, before: str) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    migrator, web, database, here = f"owner_{worker}", f"server_{worker}", f"contained_{worker}", test_database_url()
    there = here.replace(f"/{connection.settings_dict['NAME']}?", f"/{database}?")
    programs = PROGRAMS.postgres or program_folder()
    schema = subprocess.check_output([programs / "pg_dump", "--schema-only", "--no-owner", "--no-acl", here])
    schema = schema.replace(b"CREATE SCHEMA app;", b"CREATE SCHEMA IF NOT EXISTS app;")
    address = conninfo_to_dict(there)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGHOST": str(address["host"]),
        "PGPORT": str(address.get("port", 5432)),
        "PGUSER": str(address["user"]),
        "PGDATABASE": database,
        "MIGRATOR": migrator,
        "WEB": web,
        "MIGRATOR_PASSWORD": "it's",
        "WEB_PASSWORD": PASSWORD,
    }

    def restore_as(user: str) -> None:
        url = there.replace("postgres@", f"{user}@")
        subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", url], input=schema, env=environment, check=True)

    def give_roles() -> None:
        subprocess.run(["sh", ROOT / "deploy/postgres/roles.sh"], env=environment, check=True)

    with psycopg.connect(here, autocommit=True) as superuser:
        superuser.execute(f"CREATE DATABASE {database}")
        try:
            if before != "nothing":
                restore_as("postgres")
            give_roles()
            if before == "nothing":
                restore_as(migrator)
            give_roles()
            with psycopg.connect(there.replace("postgres@", f"{migrator}@")) as owner:
                assert owner.execute(MINE, (migrator,)).fetchone() == (0,)
                owner.execute("ALTER TABLE public.auth_user ADD COLUMN later int")
            with psycopg.connect(there.replace("postgres@", f"{web}@"), autocommit=True) as server:
                server.execute(INSERT)
                assert server.execute("SELECT count(*) FROM app.entity_event").fetchone() == (1,)
                server.execute("INSERT INTO public.auth_group (name) VALUES ('people')")
                for statement in FORBIDDEN_IN_SQL:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        server.execute(statement)
        finally:
            superuser.execute(f"DROP DATABASE {database} (FORCE)")
            superuser.execute(f"DROP ROLE {migrator}, {web}")
