"""Fixtures every test may use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import TransactionTestCase, override_settings
from model_bakery import baker
from pytest_django.plugin import DjangoDbBlocker

from cache_layer.memory.local_store import drop_all_copies
from cache_layer.memory.pending import _writes
from cache_layer.models import Change
from cache_layer.options import get_options
from cache_layer.reading.fail_safe import note_back
from cache_layer.reading.refresh import forget_times
from cache_layer.server.connection import GuardedRedis, breaker, get_writer_client
from entities.models import Entity


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Every test begins with an empty Redis database, an empty L1 and a closed breaker."""
    breaker.succeeded()
    note_back()
    _writes.by_alias.clear()  # a test may have ended in the middle of a write
    client = get_writer_client()
    runs = {key: client.get(key) for key in client.keys("cache_layer:run_id:*")}
    client.flushdb()
    if runs:
        client.mset(runs)  # else a server that outlives the test would purge what the next one stores
    client.connection_pool.disconnect()
    client.ping()  # the first connection after a FLUSHDB purges what it finds: not in the middle of a test
    drop_all_copies()
    forget_times()
    yield
    breaker.succeeded()


@pytest.fixture
def committed_db(transactional_db: None) -> None:
    """A database whose commits are real."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """A database whose migrations are told: no relay runs here, and a minute later health would complain."""
    with django_db_blocker.unblock():
        Change.objects.all().delete()


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


KEPT = ("django_content_type", "auth_permission", "django_migrations")


def _delete_rows(case: TransactionTestCase) -> None:
    for alias in case._databases_names(include_mirrors=False):
        with connections[alias].cursor() as cursor:
            cursor.execute("RESET ALL")  # what a test has set in this session ...
            connections[alias].init_connection_state()  # ... and not what the platform sets in each
            cursor.execute(
                "SELECT format('DELETE FROM %%I.%%I;', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname IN ('public', 'app') AND tablename <> ALL (%s)",
                [list(KEPT)],
            )
            deletions = "".join(deletion for (deletion,) in cursor.fetchall())
            # Triggers, those that refuse deletion among them, do not fire for a replica.
            cursor.execute(f"SET session_replication_role = replica; {deletions} RESET session_replication_role")


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
def redis_client() -> object:
    """A client for looking at what is really in Redis."""
    return get_writer_client()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands sent to Redis."""
    sent: list[str] = []
    execute = GuardedRedis.execute_command

    def note(self: GuardedRedis, *args: Any, **options: Any) -> Any:
        sent.append(args[0])
        return execute(self, *args, **options)

    monkeypatch.setattr(GuardedRedis, "execute_command", note)
    return sent


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, set_options: Callable[..., None]) -> list[float]:
    """How long writers would have waited for the end of leases of two seconds, in ms; they do not."""
    set_options(local_lease_ms=2_000)
    found: list[float] = []
    monkeypatch.setattr("cache_layer.memory.pending.sleep", lambda seconds: found.append(seconds * 1000))
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


def make_entity(code: str, **fields: object) -> Entity:
    """A saved entity type with fitting defaults."""
    defaults = {
        "code": code,
        "label": code.capitalize(),
        "label_plural": f"{code.capitalize()}s",
        "icon": "FolderKanban",
        "child_entity_codes": [],
        "active_flag": True,
    }
    return baker.make(Entity, **(defaults | fields))
