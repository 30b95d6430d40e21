"""Connections that are closed, kept, pooled, or another for each transaction, and sessions that are lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from redis import Redis

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.writing.outbox import Backlog
from entities.models import Entity
from tests.cache_layer.project import KEY, change, label, read
from tests.conftest import make_entity
from tests.servers import test_database_url
from tests.threads import in_another_thread

pytestmark = pytest.mark.usefixtures("committed_db")


SETTINGS: dict[str, dict[str, Any]] = {
    "closed after each request": {"CONN_MAX_AGE": 0},
    "kept": {"CONN_MAX_AGE": None},
    "pooled": {"CONN_MAX_AGE": 0, "pool": {"min_size": 2, "max_size": 4}},
    "another session for each transaction": {"CONN_MAX_AGE": 0, "pool": {"min_size": 2, "max_size": 4}},
}


def test_a_pool_refuses_connections_that_would_never_come_back_to_it() -> None:
    wrapper: Any = connection.copy("pooled")
    wrapper.settings_dict["CONN_MAX_AGE"], wrapper.settings_dict["OPTIONS"]["pool"] = 600, {"max_size": 4}
    with pytest.raises(ImproperlyConfigured, match="persistent"):
        _ = wrapper.pool


@pytest.fixture(params=SETTINGS)
def sessions(request: pytest.FixtureRequest, project: Entity) -> Iterator[set[int]]:
    """This thread's database connection of one kind; gives the server's sessions it has used for single statements."""
    used: set[int] = set()

    def give_back(execute: Callable[..., Any], *statement: Any) -> Any:
        """What PgBouncer does in transaction mode."""
        result = execute(*statement)
        if not connection.in_atomic_block:
            used.add(connection.connection.info.backend_pid)
            if request.param == "another session for each transaction":
                connection.close()
        return result

    connection.close()
    settings, wanted = connections.settings["default"], SETTINGS[request.param]
    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(give_back):
        patch.setitem(settings, "CONN_MAX_AGE", wanted["CONN_MAX_AGE"])
        patch.setitem(settings["OPTIONS"], "pool", wanted.get("pool"))
        yield used
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined] # of PostgreSQL


def end_session() -> None:
    """What a restart, a failover or a firewall does to this thread's session."""
    with closing(psycopg.connect(test_database_url())) as another:
        another.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])


def test_writes_and_reads_are_the_same_on_every_kind_of_connection(
    project: Entity, sessions: set[int], redis_client: Redis, request: pytest.FixtureRequest
) -> None:
    change(project, "New")
    assert (label(), redis_client.exists(KEY), redis_client.exists(holds_key(KEY))) == ("New", 1, 0)
    with transaction.atomic():
        change(project, "Newer")
        drop_all_copies()  # until the COMMIT they may be used
        assert in_another_thread(read) == ("New", Source.BYPASS)
    assert (label(), redis_client.exists(KEY), redis_client.exists(holds_key(KEY))) == ("Newer", 1, 0)
    Entity.objects.update(label="Newest")
    assert (label(), in_another_thread(label)) == ("Newest", "Newest")
    assert Backlog.measure(using="default").changes == 0
    assert (len(sessions) > 1) == ("another session for each transaction" in request.node.name)


def test_a_rollback_is_the_same_on_every_kind_of_connection(
    project: Entity, sessions: set[int], redis_client: Redis
) -> None:
    with transaction.atomic():
        change(project, "Never")
        transaction.set_rollback(True)
    assert in_another_thread(read) == ("Old", Source.BYPASS)
    request_finished.send(None)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert (label(), in_another_thread(label)) == ("Old", "Old")


@pytest.mark.parametrize("sessions", ["pooled"], indirect=True)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of processes with threads, from Python 3.12 on
def test_a_forked_child_has_sessions_of_its_own(project: Entity, sessions: set[int]) -> None:
    """It inherits a pool whose connections are its parent's."""
    label()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        inherited = {pid for (pid,) in cursor.fetchall()}
    connection.close()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            connection.ensure_connection()
            os.write(writing, str(connection.connection.info.backend_pid).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading, "rb") as told:
        assert int(told.read()) not in inherited
    assert label() == "Old"


def test_a_session_lost_before_its_commit_leaves_its_hold_in_force(
    project: Entity, sessions: set[int], redis_client: Redis
) -> None:
    """Whether the commit happens is not known: nothing may be cached until the hold lapses."""
    with pytest.raises(OperationalError), transaction.atomic():
        change(project, "Perhaps")
        end_session()
    request_finished.send(None)
    assert redis_client.zcard(holds_key(KEY)) == 1
    assert in_another_thread(read) == ("Old", Source.BYPASS)
    change(project, "New")
    assert (read(), in_another_thread(read)) == (("New", Source.BYPASS), ("New", Source.BYPASS))
    assert redis_client.exists(KEY) == 0
    assert Backlog.measure(using="default").changes == 0


def test_a_session_lost_after_its_commit_leaves_the_change_to_the_relay(
    project: Entity, sessions: set[int], redis_client: Redis
) -> None:
    with transaction.atomic():
        transaction.on_commit(end_session)
        change(project, "New")
    assert redis_client.exists(KEY, holds_key(KEY)) == 0
    assert in_another_thread(label) == "New"
    request_finished.send(None)
    assert Backlog.measure(using="default").changes == 1


def test_a_session_lost_before_an_autocommitted_save_leaves_its_hold_in_force(
    project: Entity, redis_client: Redis
) -> None:
    """Whatever the thread writes with its next session."""
    end_session()
    with pytest.raises(OperationalError):
        change(project, "Perhaps")
    connection.close()
    make_entity("task")
    with transaction.atomic():
        make_entity("wiki")
    request_finished.send(None)
    assert redis_client.zcard(holds_key(KEY)) == 1
    assert in_another_thread(read) == ("Old", Source.BYPASS)


def test_a_failed_autocommitted_save_is_released_at_the_end_of_the_request(
    project: Entity, redis_client: Redis
) -> None:
    project.child_entity_codes = ["nothing"]
    with pytest.raises(IntegrityError):
        project.save()
    make_entity("task")
    request_finished.send(None)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert (label(), read()) == ("Old", ("Old", Source.LOCAL))
