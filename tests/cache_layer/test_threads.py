"""Threads, row locks and forks: each thread holds for itself, and nobody reads backwards."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from django.core.signals import request_finished
from django.db import connections, transaction
from redis import Redis

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.lookup import Entry
from cache_layer.memory import pending
from cache_layer.memory.local_store import find_copy
from cache_layer.writing.writes import hold_entries
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.project import KEY, TASK_KEY, change, label, roll_back, source
from tests.conftest import make_entity
from tests.threads import in_another_thread


def test_a_transaction_that_locked_a_row_caches_nothing_of_it(project: Entity, redis_client: Redis) -> None:
    redis_client.flushdb()
    with transaction.atomic():
        Entity.objects.select_for_update().get(code="project")
        assert source() is Source.BYPASS
        assert redis_client.exists(KEY) == 0


def test_a_hold_ends_only_with_its_own_threads_transaction(project: Entity, redis_client: Redis) -> None:
    """Whatever another thread commits, rolls back or finishes meanwhile, of other keys or of the same."""

    def write_elsewhere() -> None:
        assert not pending.is_ours(KEY)
        make_entity("task", label="New")
        roll_back("wiki")
        with transaction.atomic():
            hold_entries([Entry(ENTITY, "project")], using="default")
            transaction.set_rollback(True)
        request_finished.send(None)
        assert label("task") == "New"

    with transaction.atomic():
        change(project, "New")
        in_another_thread(write_elsewhere)
        assert pending.is_ours(KEY)
        assert redis_client.zcard(holds_key(KEY)) == 1
        assert in_another_thread(source) is Source.BYPASS
    assert (label(), in_another_thread(label)) == ("New", "New")
    assert redis_client.exists(holds_key(KEY), holds_key(TASK_KEY)) == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of processes with threads, from Python 3.12 on
def test_a_forked_child_starts_without_copies_and_its_writes_are_seen_by_its_parent(
    project: Entity, set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=400)
    label()
    connections.close_all()
    assert find_copy(KEY) is not None
    child = os.fork()
    if child == 0:
        right = False
        try:
            right = find_copy(KEY) is None and label() == "Old"
            change(project, "New")
            right &= label() == "New"
        finally:
            connections.close_all()
            os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert label() == "New"
