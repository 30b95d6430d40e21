"""Writes through Django: hold before the change, wait for copies at COMMIT, release after it."""

import dataclasses
import json
import time
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TestCase
from redis import Redis

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.lookup.registry import _registry
from cache_layer.memory import local_store, pending
from cache_layer.memory.local_store import Copy, drop_all_copies, keep_copy
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.writing import writes
from cache_layer.writing.outbox import Backlog
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.cache_layer.conftest import Clock
from tests.cache_layer.project import KEY, change, label
from tests.conftest import make_entity, make_types
from tests.threads import in_another_thread

pytestmark = pytest.mark.usefixtures("committed_db")


def cached_label(redis_client: Redis) -> str | None:
    payload = redis_client.get(KEY)
    return payload and json.loads(payload)["label"]


def test_a_save_is_visible_when_it_returns_and_leaves_its_value_but_no_list_and_no_hold(
    project: Entity, redis_client: Redis
) -> None:
    assert label() == "Old"
    read_entry(ENTITY_TYPES, "")
    assert not connection.in_atomic_block
    change(project, "New")
    assert cached_label(redis_client) == "New"
    assert redis_client.exists("entity:types", holds_key(KEY)) == 0
    assert not pending.is_ours(KEY)
    assert label() == "New"


def test_a_write_is_two_scripts(project: Entity, commands: list[str]) -> None:
    """The type and the list of all, held together and released together."""
    project.save()
    commands.clear()
    project.save()
    assert commands == ["EVALSHA", "EVALSHA"]


def test_a_writer_in_a_transaction_ignores_copies_made_by_other_threads(project: Entity) -> None:
    """Such a copy can exist if the hold was lost: another thread may then have filled the old row."""
    old = read_entry(ENTITY, "project")
    with transaction.atomic():
        change(project, "New")
        keep_copy(Copy(KEY, old.document, old.payload), time.monotonic_ns())
        assert label() == "New"
        found = get_entity_infrastructure().get_entity("project")
        assert found is not None
        assert found.label == "New"
    drop_all_copies()


def test_a_key_saved_again_after_its_savepoint_was_rolled_back_is_released(
    project: Entity, redis_client: Redis
) -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            change(project, "Never")
            raise RuntimeError
        change(project, "New")
    assert redis_client.exists(holds_key(KEY)) == 0
    assert cached_label(redis_client) == "New"


def test_a_lookup_that_fails_after_the_commit_does_not_keep_the_hold(
    project: Entity, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_registry, ENTITY.name, dataclasses.replace(ENTITY, encode=lambda _: 1 // 0))
    change(project, "New")
    assert redis_client.exists(holds_key(KEY)) == 0
    assert label() == "New"


def test_a_failed_release_does_not_stop_other_callbacks(
    project: Entity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[bool] = []
    monkeypatch.setattr(writes, "release_write", lambda *_, **__: 1 // 0)
    with transaction.atomic():
        change(project, "New")
        transaction.on_commit(lambda: called.append(True))
    assert called == [True]
    assert "Error calling ReleaseOnCommit in on_commit()" in caplog.text


def test_a_lost_hold_is_noticed_and_stores_nothing(
    project: Entity, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        change(project, "New")
        redis_client.delete(holds_key(KEY))
    assert "Hold lost" in caplog.text
    assert redis_client.exists(KEY) == 0
    assert label() == "New"


def test_every_bulk_operation_is_seen_at_once(redis_client: Redis) -> None:
    make_entity("task")
    make_entity("project", label="Old")
    assert label() == "Old"
    Entity.objects.filter(code="project").update(label="Updated")
    assert label() == "Updated"
    row = Entity.objects.get(code="project")
    row.label = "Bulk updated"
    Entity.objects.bulk_update([row], ["label"])
    assert label() == "Bulk updated"
    Entity.objects.filter(code="project").delete()
    assert label() is None
    Entity.objects.bulk_create([Entity(code="project", label="Created", label_plural="C", icon="Flag")])
    assert label() == "Created"
    Entity.objects.update_or_create(code="project", defaults={"label": "Found"})
    assert label() == "Found"


def test_many_rows_cost_one_wait_and_leave_no_values(waits: list[float], redis_client: Redis) -> None:
    for number in range(20):
        make_entity(f"type_{number}")
    waits.clear()
    assert Entity.objects.update(label="New") == 20
    assert redis_client.keys("entity:metadata:*") == []
    assert Entity.objects.filter(code__startswith="type_1").delete()[0] == 11
    assert len(waits) == 2


def test_a_row_that_appears_between_locking_and_updating_is_left_alone(project: Entity) -> None:
    """Exactly what was held is changed."""

    def add_before_the_update(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            in_another_thread(lambda: make_entity("late", label="Old"))
        return execute(sql, *rest)

    with connection.execute_wrapper(add_before_the_update):
        assert Entity.objects.filter(label="Old").update(label="New") == 1
    assert (label(), label("late")) == ("New", "Old")


def test_a_transaction_removes_all_its_changes_of_an_entry_from_the_outbox(
    project: Entity, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        change(project, "New")
        change(project, "Newer")
    assert Backlog.measure(using="default") == (0, 0)
    assert "Error calling" not in caplog.text


def test_a_transaction_releases_the_stamps_of_all_its_rows(redis_client: Redis) -> None:
    codes = ("project", "task", "wiki")
    assert len({ENTITY.stamp_key(code) for code in codes}) > 1
    with transaction.atomic():
        for code in codes:
            make_entity(code)
    assert redis_client.exists(*map(holds_key, ENTITY.stamp_keys())) == 0


def test_a_writer_that_may_see_an_older_snapshot_leaves_no_value(project: Entity, redis_client: Redis) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_isolation TO 'repeatable read'")
    change(project, "New")
    assert redis_client.exists(KEY) == 0


def test_an_update_that_matches_no_row_holds_only_the_list(project: Entity, redis_client: Redis) -> None:
    label()
    read_entry(ENTITY_TYPES, "")
    assert Entity.objects.filter(code="nothing").update(label="New") == 0
    assert (redis_client.exists(KEY), redis_client.exists("entity:types")) == (1, 0)


def test_clear_removes_our_keys_and_nothing_else_in_few_commands(
    project: Entity, redis_client: Redis, commands: list[str]
) -> None:
    redis_client.mset({f"entity:metadata:type_{number}": b"{}" for number in range(2_000)})
    names = (
        "somebody else's",
        "entity:other",
        "{cache_layer:analytics}:other",
        ":1:entity:metadata:project",
        "staging:entity:metadata:project",
        "{staging:entity:metadata:project}:v2",
        "entity:types:other",
    )
    others = dict.fromkeys(names, "value")
    redis_client.mset(others)
    commands.clear()
    assert clear_entries(ENTITY, ENTITY_TYPES) == 2_001
    assert set(commands) <= {"SCAN", "EVALSHA", "EVAL"}
    assert len(commands) < 20
    assert redis_client.keys("entity:metadata:*") == []
    assert redis_client.exists(*others) == len(others)


def test_with_no_local_lease_nothing_is_kept_in_memory(project: Entity, set_options: Callable[..., None]) -> None:
    set_options(local_lease_ms=0)
    drop_all_copies()
    label()
    assert [read_entry(ENTITY, "project").source for _ in range(2)] == [Source.REDIS, Source.REDIS]


@pytest.fixture
def waits_ms(
    committed_db: None, set_options: Callable[..., None], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """How long each wait was, in ms, with fifty types whose copies may be used for 40 ms."""
    make_types(50)
    set_options(local_lease_ms=40)
    found: list[float] = []

    def wait(seconds: float) -> None:
        found.append(seconds * 1000)
        clock.wait(seconds)

    monkeypatch.setattr(local_store, "sleep", wait)
    return found


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[int]:
    """By how many ns each COMMIT came too early, before the end of a copy's lease."""
    found: list[int] = []
    commit_now = BaseDatabaseWrapper._commit  # type: ignore[attr-defined] # Django's, untyped

    def look(self: Any) -> None:
        found.extend(left for write in pending._writes.unreleased if (left := write.drained_ns - clock.now_ns) > 0)
        commit_now(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", look)
    return found


def save(number: int) -> None:
    change(Entity.objects.get(code=f"type_{number}"), "New")


def test_fifty_saves_in_one_transaction_wait_once(waits_ms: list[float], early: list[int]) -> None:
    with transaction.atomic():
        for number in range(50):
            save(number)
        assert not waits_ms
    assert (waits_ms, early) == ([40], [])


@pytest.mark.parametrize(("worked_ms", "waited_ms"), [(30, [10]), (40, [])])
def test_a_transaction_waits_only_for_the_rest_of_the_lease(
    clock: Clock, waits_ms: list[float], early: list[int], worked_ms: int, waited_ms: list[int]
) -> None:
    with transaction.atomic():
        save(0)
        clock.wait(worked_ms / 1000)
    assert (waits_ms, early) == (waited_ms, [])


def test_a_rollback_waits_for_nothing(waits_ms: list[float]) -> None:
    with transaction.atomic():
        save(0)
        transaction.set_rollback(True)
    assert waits_ms == []


def test_the_hold_waits_if_the_backend_does_not_wait_at_commit(
    waits_ms: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache_layer.writing.writes.DrainBeforeCommit", type("Another", (), {}))
    with transaction.atomic():
        save(0)
        assert waits_ms == [40]


class TestInATestCase(TestCase):
    def test_running_captured_callbacks_leaves_no_old_copy(self) -> None:
        make_entity("project", label="Old")
        assert label() == "Old"
        with self.captureOnCommitCallbacks(execute=True):
            Entity.objects.filter(code="project").update(label="New")
            (write,) = pending._writes.unreleased
        assert write.drained_ns <= monotonic_ns()
        assert label() == "New"
