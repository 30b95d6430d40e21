"""Changes made behind Django's back reach the cache through the outbox and the relay."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, TypeVar
from unittest.mock import Mock

import psycopg
import pytest
from django.db import OperationalError, connection, connections
from redis import Redis

from cache_layer import Source
from cache_layer.errors import CacheUnavailable
from cache_layer.keys import holds_key, lease_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.metrics import RELAY_WORKING
from cache_layer.models import Change
from cache_layer.options import get_options
from cache_layer.protocol.scripts import hold_keys, invalidate_keys
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep import clearing, relay, turn
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.relay import relay_changes, run_relay
from cache_layer.upkeep.turn import is_vacant, own_turn
from cache_layer.writing import outbox
from cache_layer.writing.outbox import Backlog, Settled, forget_changes
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.conftest import stopped
from tests.cache_layer.project import KEY, claim_fill, fill_entry, label, psql
from tests.servers import test_database_url
from tests.threads import in_another_thread
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")
Stop = TypeVar("Stop", bound=threading.Event)


@contextmanager
def running_relay(stop: Stop) -> Iterator[Stop]:
    def work() -> None:
        run_relay(stop)
        connections.close_all()

    thread = threading.Thread(target=work)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "POLL_SECONDS", 0.1)  # also how often it checks whether to stop
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(timeout=10)
            assert not thread.is_alive()


def copy_in() -> None:
    columns = "code, label, label_plural, icon"
    with (
        psycopg.connect(test_database_url()) as session,
        session.cursor() as cursor,
        cursor.copy(f"COPY app.entity ({columns}) FROM STDIN") as rows,
    ):
        rows.write_row(("project", "Copied", "Copied", "Flag"))


def test_every_change_behind_django_becomes_visible_by_itself(project: Entity) -> None:
    changes: list[tuple[Callable[[], None], str | None]] = [
        (partial(psql, "UPDATE app.entity SET label = 'New' WHERE code = 'project'"), "New"),
        (partial(psql, "UPDATE app.entity SET active_flag = false"), None),
        (partial(psql, "UPDATE app.entity SET active_flag = true"), "New"),
        (partial(psql, "DELETE FROM app.entity"), None),
        (copy_in, "Copied"),
        (partial(psql, "TRUNCATE app.entity"), None),
    ]
    with running_relay(threading.Event()):
        for change, expected in changes:
            change()
            wait_for(lambda expected=expected: label() == expected)  # type: ignore[misc] # it is bound here
        wait_for(lambda: Backlog.measure(using="default") == (0, 0.0))


def test_a_django_write_deletes_its_own_change_from_the_outbox(project: Entity) -> None:
    project.label = "New"
    project.save()
    Entity.objects.update(label="Newer")
    project.delete()
    assert Change.objects.count() == 0


def test_a_relay_whose_session_is_killed_goes_on(project: Entity) -> None:
    with running_relay(threading.Event()):
        psql("UPDATE app.entity SET label = 'First'")
        wait_for(lambda: label() == "First")
        psql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        psql("UPDATE app.entity SET label = 'Second'")
        wait_for(lambda: label() == "Second", seconds=2)


class Pauses(threading.Event):
    """A relay's stop event that cuts its pauses short, and records their length and whether it was connected."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.connected: list[bool] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0)
        self.connected.append(connection.connection is not None)
        return super().wait(0.01)

    def wait_for_more(self, number: int) -> None:
        wanted = len(self.seconds) + number
        wait_for(lambda: len(self.seconds) >= wanted)


@pytest.fixture(params=[None, {"min_size": 1, "max_size": 1, "timeout": 0.5, "reconnect_timeout": 0.1}])
def pool(request: pytest.FixtureRequest, committed_db: None) -> Iterator[None]:
    """No pool, and a pool of one connection."""
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict["OPTIONS"], "pool", request.param)
        yield
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined] # of PostgreSQL


def test_a_standby_has_no_connection_between_its_tries_about_a_second_apart(project: Entity, pool: None) -> None:
    with own_turn("default") as ours:
        assert ours
        with running_relay(Pauses()) as standby:
            standby.wait_for_more(20)
    assert not any(standby.connected)
    assert 0.5 <= min(standby.seconds) < max(standby.seconds) <= 1


def locks() -> int:
    with psycopg.connect(test_database_url(), autocommit=True) as session:
        return session.execute(
            "SELECT FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).rowcount


def test_neither_asking_about_the_turn_nor_ending_it_leaves_locks_or_listeners(pool: None) -> None:
    assert is_vacant("default")
    assert locks() == 0
    with own_turn("default") as ours:
        assert ours
        assert not in_another_thread(lambda: is_vacant("default"))
        with connection.cursor() as cursor:
            cursor.execute("LISTEN something")
    wait_for(lambda: locks() == 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_listening_channels()")
        assert cursor.fetchall() == []


def test_a_turn_leaves_the_pool_to_the_others(pool: None) -> None:
    with own_turn("default"):
        assert in_another_thread(Change.objects.count) == 0


def test_a_turn_ends_when_its_owner_hangs(committed_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "IDLE_MS", 100)
    with own_turn("default") as ours:
        assert ours
        wait_for(lambda: in_another_thread(lambda: is_vacant("default")), seconds=2)


def test_asking_whether_the_turn_is_vacant_times_out(committed_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "ASK_MS", 100)
    connection.ensure_connection()
    with stopped(connection.connection.info.backend_pid) as answering:
        with pytest.raises(OperationalError):
            is_vacant("default")
        assert answering.is_alive()


def test_every_failure_is_retried_about_once_a_second_and_logged_once(
    project: Entity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="cache_layer")
    with running_relay(Pauses()) as stop, monkeypatch.context() as patch:
        for error in (CacheUnavailable("refused", refused=True), OperationalError("lost"), ValueError("a bug")):
            patch.setattr(relay, "relay_changes", Mock(side_effect=error))
            stop.wait_for_more(6)
            assert RELAY_WORKING._value.get() == 0
            ceded = [place for place, pause in enumerate(stop.seconds[:-1]) if pause == relay.CEDE_SECONDS]
            assert len(ceded) >= 2
            assert all(0.75 <= sum(stop.seconds[place : place + 2]) <= 1.25 for place in ceded)
            patch.undo()
            psql("UPDATE app.entity SET label = label || '!'")
            wait_for(lambda: Change.objects.count() == 0)
    records = [record for record in caplog.records if record.getMessage().startswith("Relay ")]
    assert [record.getMessage() for record in records] == ["Relay interrupted", "Relay working"] * 3
    assert [bool(record.exc_info) for record in records[::2]] == [False, False, True], "a bug needs a traceback"


def test_an_unreachable_database_is_not_logged_at_each_try(
    pool: None, without_database: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    without_database()
    with running_relay(Pauses()) as stop:
        stop.wait_for_more(1)
        wait_for(lambda: "psycopg.pool" not in str(caplog.records[-1:]) or "failed after" in caplog.text)
        said = len(caplog.records)
        stop.wait_for_more(20)
    assert len(caplog.records) == said
    assert caplog.text.count("Relay interrupted") == 1


def test_thousands_of_changes_are_relayed_in_batches(project: Entity, redis_client: Redis) -> None:
    psql(
        "INSERT INTO app.entity (code, label, label_plural, icon)"
        " SELECT 'type_' || n, 'T', 'Ts', 'Flag' FROM generate_series(1, 2500) AS n"
    )
    assert relay_changes() == 0
    assert Change.objects.count() == 0
    assert read_entry(ENTITY, "type_7").source is Source.DATABASE


def test_a_fill_during_the_clearing_of_a_truncated_table_does_not_stay(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SCAN has yet to reach its lease, but has passed its value."""
    keys = [f"entity:metadata:type_{number}" for number in range(3_000)]
    redis_client.mset(dict.fromkeys(keys, b"{}") | {lease_key(key): b"" for key in keys[:200]})
    found = {name.decode(): place for place, name in enumerate(redis_client.scan_iter("*metadata*", count=1_000))}
    key = max(keys[:200], key=lambda key: found[lease_key(key)] - found[key])
    redis_client.delete(key, lease_key(key))
    claim_fill(key, "token", replace=False)
    psql("TRUNCATE app.entity")
    filled: list[bool] = []

    def invalidate_after_fill(*args: Any, **kwargs: Any) -> Any:
        filled.append(fill_entry(key, "token", b"old", 300))
        return invalidate_keys(*args, **kwargs)

    monkeypatch.setattr(clearing, "invalidate_keys", invalidate_after_fill)
    relay_changes()
    assert filled[0], "the reader came in time"
    assert redis_client.exists(key) == 0


@pytest.mark.parametrize("key", [b"entity:metadata:\xff", b"entity:metadata:a\0b"])
def test_a_key_that_no_row_can_have_stops_neither_the_relay_nor_the_audit(
    project: Entity, redis_client: Redis, key: bytes
) -> None:
    redis_client.set(key, b"somebody's")
    assert audit_cache().mismatches == ()
    psql("TRUNCATE app.entity")
    assert relay_changes() == 0
    drop_all_copies()
    assert label() is None


def test_the_relay_audits_the_cache_now_and_then(
    project: Entity, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "monotonic", count(step=get_options().audit_seconds).__next__)
    redis_client.set("entity:metadata:ghost", b"{}", ex=300)
    with running_relay(threading.Event()):
        wait_for(lambda: redis_client.exists("entity:metadata:ghost") == 0)


def test_a_list_that_is_always_held_does_not_delay_a_change(project: Entity, redis_client: Redis) -> None:
    """Otherwise the changed type, which nobody holds, would be dropped again in every round."""
    hold_keys(["entity:types"], "a writer")
    psql("UPDATE app.entity SET label = 'New'")
    assert relay_changes() == 0
    assert Change.objects.count() == 0
    assert redis_client.exists(holds_key("entity:types")) == 1


def test_settled_changes_are_delivered_once_and_deleted_a_little_later(
    project: Entity, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(outbox, "monotonic", lambda: now[0])
    settled = Settled()
    psql("UPDATE app.entity SET label = 'New'")
    assert relay_changes(settled) == 0
    drop_all_copies()
    assert label() == "New"
    now[0] += outbox.FORGET_SECONDS - 0.001
    assert relay_changes(settled) == 0
    assert redis_client.exists(KEY) == 1, "it was delivered again"
    assert Change.objects.count() == 1
    now[0] += 0.001
    assert relay_changes(settled) == 0
    assert (Change.objects.count(), settled.ids) == (0, set())
    settled.add([Change(id=-1)])
    now[0] += outbox.FORGET_SECONDS - 0.001
    settled.add([Change(id=-2)])
    now[0] += 0.002
    settled.forget("default")
    assert settled.ids == set(), "a later change put off an earlier one"


def test_forgetting_a_change_leaves_other_commits_as_durable_as_they_were(project: Entity) -> None:
    psql("UPDATE app.entity SET label = 'New'")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO on")
        forget_changes([change.id for change in Change.objects.all()], using="default")
        assert not Change.objects.exists()
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
