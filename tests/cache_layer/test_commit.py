"""A change waits for the copies of what it changes: once, at its COMMIT, for what is left of the lease."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import pytest
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TestCase

from cache_layer.memory import local_store, pending
from entities.models import Entity
from tests.cache_layer.conftest import Clock
from tests.cache_layer.project import change, label
from tests.conftest import make_entity, make_types


@pytest.fixture
def waits(
    committed_db: None, set_options: Callable[..., None], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """How long each wait was, in ms, for copies of fifty types that may be used for 40 ms."""
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
    """For each COMMIT, how many ns before the end of a copy's lease it came, if that was before."""
    found: list[int] = []
    commit_now = BaseDatabaseWrapper._commit  # type: ignore[attr-defined] # Django's, untyped

    def look(self: Any) -> None:
        writes = pending._writes.by_alias.get("default", [])
        found.extend(left for write in writes if (left := write.drained_ns - clock.now_ns) > 0)
        commit_now(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", look)
    return found


def save(number: int) -> None:
    change(Entity.objects.get(code=f"type_{number}"), "New")


def test_fifty_saves_in_one_transaction_wait_once(waits: list[float], early: list[int]) -> None:
    with transaction.atomic():
        for number in range(50):
            save(number)
        assert not waits
    assert (waits, early) == ([40], [])


@pytest.mark.parametrize(("worked_ms", "waited_ms"), [(30, [10]), (40, [])])
def test_a_transaction_waits_for_what_its_own_work_has_left(
    clock: Clock, waits: list[float], early: list[int], worked_ms: int, waited_ms: list[int]
) -> None:
    with transaction.atomic():
        save(0)
        clock.wait(worked_ms / 1000)
    assert (waits, early) == (waited_ms, [])


def test_a_rollback_waits_for_nothing(waits: list[float]) -> None:
    with transaction.atomic():
        save(0)
        transaction.set_rollback(True)
    assert waits == []


def test_with_a_backend_that_does_not_wait_the_hold_does(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cache_layer.writing.writes.waits_at_commit", lambda _: False)
    with transaction.atomic():
        save(0)
        assert waits == [40]


class TestInATestCase(TestCase):
    def test_callbacks_that_are_run_leave_no_copy_of_what_was(self) -> None:
        make_entity("project", label="Old")
        assert label() == "Old"
        with self.captureOnCommitCallbacks(execute=True):
            Entity.objects.filter(code="project").update(label="New")
            (write,) = pending._writes.by_alias["default"]
        assert write.drained_ns <= monotonic_ns()
        assert label() == "New"
