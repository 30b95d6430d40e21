"""Fixtures every test may use."""

import contextlib
import fcntl
import functools
import gc
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection, connections
from django.test import TransactionTestCase, override_settings
from django.test.utils import setup_databases
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from cache_layer.memory import local_store, pending
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.models import Change
from cache_layer.options import get_options
from cache_layer.reading.fail_safe import note_back
from cache_layer.reading.refresh import forget_times
from cache_layer.server.connection import GuardedPipeline, GuardedRedis, breaker, get_writer_client
from entities.models import Entity


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Of several processes have each rewrite the assertions of some modules, which the others then find, not of all."""
    worker: dict[str, Any] = getattr(session.config, "workerinput", {})
    if worker and session.config.args == session.config.getini("testpaths"):
        folder = Path(__file__).parent
        modules = [path.relative_to(folder.parent).with_suffix("") for path in sorted(folder.rglob("test_*.py"))]
        for module in modules[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
            importlib.import_module(".".join(module.parts))


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not among all that is imported by now: that took an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def empty_redis(client: Any) -> bool:
    """
    Remove all keys but those that say which run of the server is trusted; returns whether there are any of these.

    After FLUSHDB whichever thread connects next would purge what a test has stored meanwhile.
    """
    keys = client.keys()
    left = [key for key in keys if not key.startswith(b"cache_layer:run_id:")]
    if left:
        client.unlink(*left)
    return len(left) < len(keys)


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Every test begins with an empty Redis database, an empty L1 and a closed breaker."""
    breaker.succeeded()
    note_back()
    pending._writes.unreleased.clear()  # a test may have ended in the middle of a write
    client = get_writer_client()
    if not empty_redis(client):
        client.connection_pool.disconnect()
        client.ping()  # the first connection where the run is not known purges what it finds: not during a test
    drop_all_copies()
    forget_times()
    yield
    breaker.succeeded()


@pytest.fixture
def committed_db(transactional_db: None) -> None:
    """A database whose commits are real."""


TEMPLATE = "template_for_tests"


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """A database of this process's own: a copy of the one that the first process to come here has migrated."""
    name = connection.settings_dict["TEST"]["NAME"]
    with django_db_blocker.unblock(), (Path(os.environ["DATA_DIR"]) / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with connection._nodb_cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [TEMPLATE])
            if not cursor.rowcount:
                _migrate(f"{TEMPLATE}_unfinished")
                cursor.execute(f"ALTER DATABASE {TEMPLATE}_unfinished RENAME TO {TEMPLATE}")
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def _migrate(name: str) -> None:
    """Make a database whose migrations are told: no relay runs here, and a minute later health would complain."""
    connection.settings_dict["TEST"]["NAME"] = name
    setup_databases(verbosity=0, interactive=False, aliases=["default"], serialized_aliases=[])
    Change.objects.all().delete()
    connection.close()


@pytest.fixture(autouse=True, scope="session")
def _quick_clean_up() -> Iterator[None]:
    """
    After a test whose commits were real delete rows: many times as quick as Django's TRUNCATE of every table.

    Content types and permissions stay, with their numbers: a server that outlives a test keeps them in memory. So does
    the session: what takes time in a new one is that PostgreSQL knows no table yet.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _delete_rows)
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda _: False)
        yield


ROUNDS = PBKDF2PasswordHasher.iterations


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> Iterator[None]:
    """Passwords are hashed in one round: a million take a third of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@functools.cache
def hashed(password: str) -> str:
    """As servers hash it, which hash anew by a login what is hashed otherwise."""
    return PBKDF2PasswordHasher().encode(password, "a salt", ROUNDS)


KEPT = ("django_content_type", "auth_permission", "django_migrations")


def _delete_rows(case: TransactionTestCase) -> None:
    for alias in case._databases_names(include_mirrors=False):
        with connections[alias].cursor() as cursor:
            cursor.execute("RESET ALL")  # what a test has set in this session ...
            connections[alias].init_connection_state()  # ... and not what the platform sets in each
            # Triggers, those that refuse deletion among them, do not fire for a replica.
            cursor.execute(f"SET session_replication_role = replica; {_deletions()} RESET session_replication_role")


@functools.cache
def _deletions() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(format('DELETE FROM %%I.%%I;', schemaname, tablename), '') FROM pg_tables"
            " WHERE schemaname IN ('public', 'app') AND tablename <> ALL (%s)",
            [list(KEPT)],
        )
        return str(cursor.fetchone()[0])


@pytest.fixture
def set_options() -> Iterator[Callable[..., None]]:
    """Change settings of the cache layer for one test: `set_options(local_lease_ms=0)`."""

    with contextlib.ExitStack() as overridden:

        def change(**values: object) -> None:
            overridden.enter_context(override_settings(CACHE_LAYER=settings.CACHE_LAYER | values))
            get_options.cache_clear()

        yield change
    get_options.cache_clear()


@pytest.fixture
def quick_writes(set_options: Callable[..., None]) -> None:
    """Writers wait 1 ms instead of 20 for the copies in other processes' memory."""
    set_options(local_lease_ms=1)


@pytest.fixture
def redis_client() -> object:
    """A client for looking at what is really in Redis."""
    return get_writer_client()


class Commands(list[str]):
    """Commands sent to Redis by the threads that are listened to: what works in the background sends others."""

    def __init__(self) -> None:
        super().__init__()
        self._threads: set[int] = set()

    def listen(self) -> None:
        """Note what this thread sends from now on."""
        self._threads.add(threading.get_ident())

    def noting(self, method: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        """A client's method that notes what it is called with, or `name`."""

        def call(client: Redis, *args: Any, **options: Any) -> Any:
            if threading.get_ident() in self._threads:
                self.append(name or args[0])
            return method(client, *args, **options)

        return call


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The commands that the test's own thread sends to Redis, each exchange of a pipeline as one."""
    sent = Commands()
    sent.listen()
    monkeypatch.setattr(GuardedRedis, "execute_command", sent.noting(GuardedRedis.execute_command))
    monkeypatch.setattr(GuardedPipeline, "execute", sent.noting(GuardedPipeline.execute, "PIPELINE"))
    return sent


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, set_options: Callable[..., None]) -> list[float]:
    """How long writers would have waited for the end of leases of two seconds, in ms; they do not."""
    set_options(local_lease_ms=2_000)
    found: list[float] = []
    monkeypatch.setattr(local_store, "sleep", lambda seconds: found.append(seconds * 1000))
    return found


@pytest.fixture
def without_database(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """A function that takes the database away: from then on this test's connections find no server."""
    options = connection.settings_dict["OPTIONS"]
    host = options["host"]

    def take_away() -> None:
        options["host"] = str(tmp_path)
        connection.close()

    yield take_away
    options["host"] = host
    connection.close()


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """While the block runs writers wait for no copies: here they are dropped, and others have none of what is new."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_store, "sleep", lambda _: None)
        yield
    drop_all_copies()


def sql(statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What a statement gives, in the session that Django has."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def without_triggers(statement: str) -> None:
    """Change what the database would refuse to, or would write by itself."""
    sql(f"SET session_replication_role = replica; {statement}; RESET session_replication_role")


def new_entity(code: str, **fields: object) -> Entity:
    """An entity type with fitting defaults, not saved yet."""
    defaults: dict[str, Any] = {
        "code": code,
        "label": code.capitalize(),
        "label_plural": f"{code.capitalize()}s",
        "icon": "FolderKanban",
        "child_entity_codes": [],
        "active_flag": True,
    }
    return Entity(**(defaults | fields))


@without_waiting()
def make_entity(code: str, **fields: object) -> Entity:
    """A saved one, that is read as it is from then on."""
    row = new_entity(code, **fields)
    row.save()
    return row


def make_linked(*codes: str, **children: str) -> None:
    """These types, then such as list others: `make_linked("task", "wiki", project="wiki task")`."""
    for code in codes:
        make_entity(code)
    for code, listed in children.items():
        make_entity(code, child_entity_codes=listed.split())


@without_waiting()
def make_types(number: int) -> None:
    """`type_0`, `type_1` and so on, in this order, by one statement."""
    Entity.objects.bulk_create(
        Entity(code=f"type_{each}", label=f"Type {each}", label_plural="Types", icon="Flag", display_order=each)
        for each in range(number)
    )
