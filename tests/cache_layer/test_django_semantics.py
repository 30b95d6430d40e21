"""Django's transactions, threads and forks, and tests in one that never ends: a hold ends with its own transaction."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from django.core.signals import request_finished
from django.db import connections, transaction
from django.db.models.signals import pre_save
from django.test import TestCase
from redis import Redis

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.memory import pending
from cache_layer.memory.local_store import find_copy
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import get_redis_client
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.project import KEY, TASK_KEY, change, label, source
from tests.conftest import make_entity
from tests.threads import holds_in_child, in_another_thread

# --- on_commit, savepoints, nested atomic -----------------------------------------------------------------------------


def test_everybody_reads_the_new_value_in_callbacks_before_and_after_the_release(project: Entity) -> None:
    seen: list[str | None] = []
    assert label() == "Old"
    with transaction.atomic():
        transaction.on_commit(lambda: seen.extend((label(), in_another_thread(label))))
        change(project, "New")
        transaction.on_commit(lambda: seen.extend((label(), in_another_thread(label))))
    assert seen == ["New"] * 4


def test_a_callback_that_writes_before_the_release_leaves_its_own_value(project: Entity, redis_client: Redis) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: change(project, "Newest"))
        change(project, "New")
    assert label() == in_another_thread(label) == "Newest"
    assert redis_client.exists(holds_key(KEY)) == 0


def test_a_callback_that_fails_and_ends_those_after_it_leaves_nothing_old(project: Entity, redis_client: Redis) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 / 0)
        change(project, "New")
    assert (label(), in_another_thread(label)) == ("New", "New")
    request_finished.send(None)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert label() == "New"


@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "atomic"])
def test_a_save_inside_another_saves_signal_leaves_the_outer_one_its_hold(
    project: Entity, redis_client: Redis, atomic: bool
) -> None:
    """Else a reader would cache the old row, or keep it in its memory, before the outer save changes it."""
    seen: list[str | None] = []

    def save_another(instance: Entity, **_: object) -> None:
        if instance.code == "project":
            with transaction.atomic() if atomic else nullcontext():
                make_entity("task")
            seen.append(in_another_thread(label))

    pre_save.connect(save_another, sender=Entity)
    try:
        change(project, "New")
    finally:
        pre_save.disconnect(save_another, sender=Entity)
    assert seen == ["Old"]
    assert (label(), label("task")) == ("New", "Task")
    assert redis_client.exists(holds_key(KEY), holds_key(TASK_KEY)) == 0


def test_a_row_loaded_in_part_is_saved_in_part_and_cached_whole(project: Entity) -> None:
    """What another writer commits meanwhile to a field that was not loaded is not lost."""

    def change_type(**_: object) -> None:
        Entity.objects.filter(code="project").update(entity_type="venture")

    part = Entity.objects.only("label").get(code="project")
    pre_save.connect(change_type, sender=Entity)
    try:
        change(part, "New")
    finally:
        pre_save.disconnect(change_type, sender=Entity)
    document = read_entry(ENTITY, "project").document
    assert document is not None
    assert (document.label, document.entity_type) == ("New", "venture")


# --- Threads, row locks and forks -------------------------------------------------------------------------------------


def test_a_forked_child_starts_without_copies_and_its_writes_are_seen_by_its_parent(
    project: Entity, set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=400)
    label()
    connections.close_all()
    assert find_copy(KEY) is not None

    def start_without_copies_and_write() -> bool:
        assert (find_copy(KEY), label()) == (None, "Old")
        change(project, "New")
        return label() == "New"

    assert holds_in_child(start_without_copies_and_write)
    assert label() == "New"


# --- TestCase ---------------------------------------------------------------------------------------------------------


class WritesInATestCase(TestCase):
    """Here a transaction that is never committed is around every test."""

    def setUp(self) -> None:
        self.row = make_entity("project", label="Old")

    def in_redis(self) -> int:
        return int(get_redis_client().exists(KEY))

    def held(self) -> int:
        return int(get_redis_client().exists(holds_key(KEY)))

    def test_without_callbacks_the_test_reads_what_it_wrote(self) -> None:
        for new in ("New", "Newer"):
            change(self.row, new)
            assert (label(), source()) == (new, Source.BYPASS)
        assert (self.held(), self.in_redis()) == (1, 0)

    def test_captured_callbacks_release_and_the_test_alone_still_reads_what_it_wrote(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            change(self.row, "New")
            assert label() == "New"
        assert not pending.is_ours(KEY)
        assert (label(), source()) == ("New", Source.BYPASS)
        assert (self.held(), self.in_redis(), find_copy(KEY)) == (0, 0, None)
        assert in_another_thread(label) is None
