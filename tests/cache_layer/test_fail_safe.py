"""Fail-safe: while the database is down, last known values are served where allowed, marked as stale."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, connection, transaction
from redis import Redis

from cache_layer import Source
from cache_layer.inspect.checks import check_settings
from cache_layer.keys import known_key
from cache_layer.lookup import Entry
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading import fail_safe
from cache_layer.reading.fail_safe import is_away
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.writing.writes import hold_entries
from entities.cache.operations import NOT_CACHEABLE, describe_warming
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.conftest import Clock
from tests.conftest import empty_redis, make_entity

KEY = "entity:metadata:project"
KNOWN = known_key(KEY, 1)

TakeAway = Callable[[], None]


@pytest.fixture
def project(committed_db: None, redis_client: Redis, set_options: Callable[..., None]) -> Entity:
    """An entity type that was read, in a cache that may serve it for an hour past its TTL."""
    set_options(stale_seconds=3_600, local_lease_ms=1)
    row = make_entity("project")
    empty_redis(redis_client)
    drop_all_copies()
    read_entry(ENTITY, "project")
    drop_all_copies()
    return row


@pytest.fixture
def expired(project: Entity, redis_client: Redis) -> Entity:
    redis_client.delete(KEY)
    return project


@pytest.fixture
def away(expired: Entity, without_database: TakeAway) -> Entity:
    """The value expired, and then the database went down."""
    without_database()
    return expired


@pytest.mark.parametrize("further", [b"", b',"remark":"By a later release"'])
def test_past_its_ttl_the_last_known_document_is_served_as_stale(
    away: Entity, redis_client: Redis, caplog: pytest.LogCaptureFixture, further: bytes
) -> None:
    known = redis_client.get(KNOWN)
    redis_client.set(KNOWN, known[:-1] + further + b"}")
    read = read_entry(ENTITY, "project")
    assert read.source is Source.STALE
    assert [vars(record)["keys"] for record in caplog.records if record.msg == "Stale values served"] == [[KEY]]
    assert read.document is not None
    assert (read.document.label, read.payload) == (away.label, known)
    assert read.copies == (), "it must not be replayed"
    assert redis_client.exists(KEY) == 0
    assert describe_warming(read) == NOT_CACHEABLE


def test_a_database_counts_as_up_until_it_fails(
    caplog: pytest.LogCaptureFixture, set_options: Callable[..., None]
) -> None:
    set_options(stale_seconds=60)
    assert (is_away(), is_away()) == (False, False)
    assert caplog.messages == []


def test_the_last_known_value_outlives_the_value_by_the_setting(project: Entity, redis_client: Redis) -> None:
    assert redis_client.ttl(KNOWN) == 3_600 + redis_client.ttl(KEY)
    assert redis_client.get(KNOWN) == redis_client.get(KEY)
    project.save()
    assert redis_client.ttl(KNOWN) == 3_600 + redis_client.ttl(KEY)
    assert redis_client.get(KNOWN) == redis_client.get(KEY)


@pytest.mark.parametrize("off", [{"stale_seconds": 0}, {"write_policy": "strict"}])
def test_with_fail_safe_off_nothing_is_kept_and_nothing_stale_is_served(
    expired: Entity,
    redis_client: Redis,
    set_options: Callable[..., None],
    without_database: TakeAway,
    off: dict[str, Any],
) -> None:
    set_options(**off)
    make_entity("task")
    read_entry(ENTITY, "task")
    assert redis_client.exists(known_key(ENTITY.key("task"))) == 0
    without_database()
    with pytest.raises(OperationalError):
        read_entry(ENTITY, "project")


def test_the_strict_policy_says_that_the_setting_has_no_effect(set_options: Callable[..., None]) -> None:
    set_options(stale_seconds=60, write_policy="strict")
    assert [message.id for message in check_settings()] == ["cache_layer.W005"]
    assert run_checks(tags=["caches"]) == check_settings()


def test_finding_a_row_missing_deletes_its_last_known_value(expired: Entity, redis_client: Redis) -> None:
    assert redis_client.exists(KNOWN) == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM app.entity")
    read_entry(ENTITY, "project")
    assert redis_client.exists(KNOWN) == 0


def test_several_are_served_if_all_are_known(expired: Entity, redis_client: Redis, without_database: TakeAway) -> None:
    make_entity("task")
    assert read_entries(ENTITY, ["task", "nothing"])["nothing"].document is None
    drop_all_copies()
    redis_client.delete(KEY)
    without_database()
    reads = read_entries(ENTITY, ["project", "task", "nothing"])
    assert {code: read.source for code, read in reads.items()} == {
        "project": Source.STALE,
        "task": Source.REDIS,
        "nothing": Source.REDIS,
    }
    assert reads["nothing"].payload == b""
    with pytest.raises(OperationalError):
        read_entries(ENTITY, ["project", "wiki"])


@pytest.mark.parametrize("payload", [b"{}", b"", b"\x28\xb5\x2f\xfd"])
def test_last_known_bytes_that_do_not_decode_are_not_served(away: Entity, redis_client: Redis, payload: bytes) -> None:
    redis_client.set(KNOWN, payload)
    with pytest.raises(OperationalError):
        read_entry(ENTITY, "project")


def test_in_a_transaction_nothing_is_stale(expired: Entity) -> None:
    lost = Mock(side_effect=OperationalError("gone"))
    with pytest.raises(OperationalError), transaction.atomic(), connection.execute_wrapper(lost):
        read_entry(ENTITY, "project")


def test_a_writer_gets_no_stale_value_of_what_it_changes(
    expired: Entity, redis_client: Redis, without_database: TakeAway
) -> None:
    known = redis_client.get(KNOWN)
    hold_entries([Entry(ENTITY, "project")], using="default")
    redis_client.set(KNOWN, known)  # its hold was lost, and another reader filled the old row
    without_database()
    with pytest.raises(OperationalError):
        read_entry(ENTITY, "project")


def test_after_a_failure_the_database_is_not_asked_for_a_second(
    away: Entity, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    connect = Mock(side_effect=OperationalError)
    with monkeypatch.context() as patch:
        patch.setattr(connection, "connect", connect)
        for _ in range(3):
            assert read_entry(ENTITY, "project").source is Source.STALE
        assert connect.call_count == 1
        clock.wait(1)
        assert read_entry(ENTITY, "project").source is Source.STALE
        assert connect.call_count == 2


def test_a_database_failure_is_logged_once_and_remembered_until_it_answers(
    away: Entity, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_client.delete(KNOWN)
    for _ in range(2):
        with pytest.raises(OperationalError):
            read_entry(ENTITY, "project")
    assert [record.msg for record in caplog.records].count("Database away") == 1
    assert fail_safe.was_away()


def test_when_the_database_is_back_it_is_asked_again(
    expired: Entity, without_database: TakeAway, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = connection.settings_dict["OPTIONS"]["host"]
    without_database()
    assert read_entry(ENTITY, "project").source is Source.STALE
    assert is_away()
    connection.settings_dict["OPTIONS"]["host"] = host
    monkeypatch.setattr(fail_safe, "_ask_again_ns", 1)
    assert read_entry(ENTITY, "project").source is Source.DATABASE
    assert not is_away()
