"""A change waits for the copies of what it changes: once, at its COMMIT, for what is left of the lease."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TestCase

from cache_layer.memory import local_store, pending
from cache_layer.reading.reads import read_entry
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.conftest import Clock
from tests.conftest import make_entity, make_types


@pytest.fixture
def committed(committed_db: None, set_options: Callable[..., None]) -> None:
    make_types(50)
    set_options(local_lease_ms=40)


@pytest.fixture
def waits(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait was, in ms."""
    found: list[float] = []

    def wait(seconds: float) -> None:
        found.append(seconds * 1000)
        clock.wait(seconds)

    monkeypatch.setattr(local_store, "sleep", wait)
    return found


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[int]:
    """For each COMMIT, how many ns before the end of a copy's lease it came, if that was before."""
    found: list[int] = []
    commit_now = BaseDatabaseWrapper._commit  # type: ignore[attr-defined] # Django's, untyped

    def look(self: Any) -> None:
        writes = pending._writes.by_alias.get("default", [])
        found.extend(left for write in writes if (left := write.drained_ns - clock.now_ns) > 0)
        commit_now(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", look)
    return found


def save(number: int, label: str = "New") -> None:
    row = Entity.objects.get(code=f"type_{number}")
    row.label = label
    row.save()


@pytest.mark.usefixtures("committed")
class TestCommits:
    def test_fifty_saves_in_one_transaction_wait_once(self, waits: list[float], early: list[int]) -> None:
        with transaction.atomic():
            for number in range(50):
                save(number)
            assert not waits
        assert (waits, early) == ([40], [])

    def test_a_transaction_waits_for_what_its_own_work_has_left(
        self, clock: Clock, waits: list[float], early: list[int]
    ) -> None:
        with transaction.atomic():
            save(0)
            clock.wait(0.03)
        assert (waits, early) == ([10], [])

    def test_one_that_worked_for_longer_waits_for_nothing(self, clock: Clock, waits: list[float]) -> None:
        with transaction.atomic():
            save(0)
            clock.wait(0.04)
        assert waits == []

    def test_the_wait_is_counted_from_the_newest_hold(self, clock: Clock, waits: list[float], early: list[int]) -> None:
        with transaction.atomic():
            save(0)
            clock.wait(0.035)
            save(1)
        assert (waits, early) == ([40], [])

    def test_a_rollback_waits_for_nothing(self, waits: list[float]) -> None:
        with transaction.atomic():
            save(0)
            transaction.set_rollback(True)
        assert waits == []

    def test_without_a_transaction_the_wait_comes_before_the_statement(self, waits: list[float]) -> None:
        row = Entity.objects.get(code="type_0")
        statements: list[int] = []

        def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if sql.startswith("UPDATE"):
                statements.append(len(waits))
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            row.save()
        assert (statements, waits) == ([1], [40])

    def test_with_a_backend_that_does_not_wait_the_hold_does(
        self, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cache_layer.writing.writes.waits_at_commit", lambda _: False)
        with transaction.atomic():
            save(0)
            assert waits == [40]

    def test_what_changes_nothing_that_is_cached_waits_for_nothing(self, waits: list[float]) -> None:
        with transaction.atomic():
            Entity.objects.get(code="type_0")
        assert waits == []


class TestInATestCase(TestCase):
    def test_callbacks_that_are_run_leave_no_copy_of_what_was(self) -> None:
        make_entity("project", label="Old")
        read = read_entry(ENTITY, "project").document
        assert read is not None
        with self.captureOnCommitCallbacks(execute=True):
            Entity.objects.filter(code="project").update(label="New")
            (write,) = pending._writes.by_alias["default"]
        assert write.drained_ns <= monotonic_ns()
        read = read_entry(ENTITY, "project").document
        assert read is not None
        assert read.label == "New"
