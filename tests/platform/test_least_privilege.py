"""The rights in deploy/ are enough for all the platform does, and allow nothing else."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.core.cache import caches
from psycopg.conninfo import conninfo_to_dict
from redis.exceptions import ResponseError

from cache_layer import Source, metrics
from cache_layer.counting.reporting import report_activity
from cache_layer.inspect import Amount, EntryActivity, EntryState, Kind, Series, Span
from cache_layer.inspect.checks import check_server
from cache_layer.protocol.scripts import read_stamps
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.reading.refresh import find_due
from cache_layer.server.connection import get_writer_client, is_redis_healthy
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.clearing import clear_entries
from entities.lookups import ENTITY
from entities.management.picture import take_picture
from entities.models import Entity
from pmo.lookups import PERSON
from pmo.run.engines.postgres import program_folder
from tests.api.conftest import make_user
from tests.cache_layer.conftest import caches_at
from tests.cache_layer.project import read_anew
from tests.conftest import make_entity, sql
from tests.engines import POSTGRES_PROGRAMS
from tests.servers import ROOT, another_database, own_name, test_database_url
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
    with (
        Server(tmp_path / "server", (*PLAIN, "--aclfile", str(file))) as server,
        caches_at(f"redis://pmo:{quote(PASSWORD)}@127.0.0.1:{server.port}/0"),
    ):
        wait_for(is_redis_healthy)
        yield


@pytest.mark.usefixtures("committed_db", "guarded_redis")
def test_the_users_rules_are_enough_for_redis_and_no_more() -> None:
    unheld = metrics.UNHELD_WRITES.labels("silent")._value.get()
    rows = [make_entity(code) for code in ("project", "task", "risk")]
    assert {one.source for one in read_entries(ENTITY, ["project", "task", "nothing"]).values()} <= set(Source)
    assert read_anew("risk").source is Source.REDIS
    find_due([ENTITY.key("risk")], 300)
    user = make_user("ada", "change")
    assert read_entry(PERSON, str(user.pk)).source is Source.REDIS
    assert all(read_stamps([*ENTITY.stamp_keys(), *PERSON.stamp_keys()], "a nonce", 60).values())
    rows[0].save()
    Entity.objects.filter(code__in=["task", "risk"]).update(label="new")
    assert EntryState.of(ENTITY, ["task"])["task"].kind in (Kind.CACHED, Kind.NOT_CACHED)
    assert take_picture().server.version
    assert Amount.measure().complete
    assert audit_cache().mismatches == ()
    report_activity()
    assert Series.read(Span.HOUR).counts
    assert EntryActivity.read(ENTITY, ["task"])
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


class Database:
    """An empty database of its own, and roles in it, made by the files of deploy/."""

    def __init__(self, url: str) -> None:
        self._url, address = url, conninfo_to_dict(url)
        self.roles = {name: own_name(name) for name in ("migrator", "web", "service")}
        programs = POSTGRES_PROGRAMS or program_folder()
        self.environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": str(address["host"]),
            "PGPORT": str(address.get("port", 5432)),
            "PGUSER": str(address["user"]),
            "PGDATABASE": str(address["dbname"]),
            "MIGRATOR": self.roles["migrator"],
            "WEB": self.roles["web"],
            "MIGRATOR_PASSWORD": "it's",
            "WEB_PASSWORD": PASSWORD,
        }

    def url(self, role: str) -> str:
        return self._url.replace("postgres@", f"{self.roles.get(role, role)}@")

    def run(self, *command: str | Path, stdin: bytes = b"") -> bytes:
        return subprocess.run(command, env=self.environment, input=stdin, check=True, stdout=subprocess.PIPE).stdout

    def give_roles(self) -> None:
        self.run("sh", ROOT / "deploy/postgres/roles.sh")

    def restore_as(self, role: str) -> None:
        """Have a role make this test's tables there."""
        schema = self.run("pg_dump", "--schema-only", "--no-owner", "--no-acl", test_database_url())
        schema = schema.replace(b"CREATE SCHEMA app;", b"CREATE SCHEMA IF NOT EXISTS app;")
        self.run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.url(role), stdin=schema)


@pytest.fixture
def database(committed_db: None) -> Iterator[Database]:
    with another_database(own_name("roles")) as url:
        made = Database(url)
        yield made
    sql(f"DROP ROLE IF EXISTS {', '.join(made.roles.values())}")


INSERT = """
    INSERT INTO app.entity (code, label, label_plural, icon, child_entity_codes)
    VALUES ('project', 'Project', 'Projects', 'Box', '["project"]')
"""
UPDATE = "UPDATE app.entity SET label = 'new', child_entity_codes = '[]' WHERE code = 'project'"


def test_a_service_writes_rows_is_named_in_the_history_and_can_do_no_more(database: Database) -> None:
    database.give_roles()
    database.restore_as("migrator")
    rights = [argument for name, role in database.roles.items() for argument in ("-v", f"{name}={role}")]
    database.run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", *rights, "-f", ROOT / "deploy/postgres/roles.sql")
    with psycopg.connect(database.url("service"), autocommit=True, application_name="psql") as session:
        session.execute("SET pgtrigger.ignore = '{pgtrigger_insert_insert_10f03, pgtrigger_record_row_c4baa}'")
        session.execute(INSERT)
        session.execute(UPDATE)
        session.execute("DELETE FROM app.entity")
        refuses(session, *FORBIDDEN_IN_SQL, *FORBIDDEN_TO_A_SERVICE)
    with psycopg.connect(database.url("web")) as session:
        found = session.execute("SELECT pgh_label, database_role, application_name FROM app.entity_event ORDER BY 1")
        service = database.roles["service"]
        assert found.fetchall() == [(change, service, "psql") for change in ("delete", "insert", "update")]
        assert session.execute("SELECT identifier FROM cache_layer_outbox").fetchall() == [("project",)] * 3


def refuses(session: psycopg.Connection, *statements: str) -> None:
    for statement in statements:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement)  # type: ignore[call-overload] # a literal somewhere


MINE = """
    SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace IN ('app', 'public') AND relkind IN ('r', 'S')
    AND relowner <> %s::regrole
"""


@pytest.mark.parametrize("before", ["nothing", "tables of the superuser"])
def test_the_containers_roles_are_enough_whoever_made_the_tables_and_no_more(database: Database, before: str) -> None:
    if before != "nothing":
        database.restore_as("postgres")
    database.give_roles()
    if before == "nothing":
        database.restore_as("migrator")
    database.give_roles()
    with psycopg.connect(database.url("migrator")) as owner:
        assert owner.execute(MINE, (database.roles["migrator"],)).fetchone() == (0,)
        owner.execute("ALTER TABLE public.auth_user ADD COLUMN later int")
    with psycopg.connect(database.url("web"), autocommit=True) as server:
        server.execute("LISTEN cache_layer_changes")
        server.execute(INSERT)
        server.execute(UPDATE)
        assert server.execute("SELECT count(*) FROM app.entity_event").fetchone() == (2,)
        assert server.execute("DELETE FROM cache_layer_outbox").rowcount == 2
        assert server.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)
        server.execute("DELETE FROM app.entity")
        server.execute("INSERT INTO public.auth_group (name) VALUES ('people')")
        refuses(server, *FORBIDDEN_IN_SQL)
