"""Hot copies are renewed, by what Redis says at that time and for no longer than a read then would give."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from redis import Redis

from cache_layer import local_store, refresh, renewal
from cache_layer.connection import GuardedRedis, breaker
from cache_layer.local_store import Copy
from cache_layer.reads import read_entry
from cache_layer.refresh import find_due
from cache_layer.renewal import Renewer
from cache_layer.scripts import hold_keys
from entities.lookups import ENTITY
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

KEY = "entity:metadata:project"
MS = 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now = [local_store.monotonic_ns()]
    for module in (local_store, refresh, renewal):
        monkeypatch.setattr(module, "monotonic_ns", lambda: now[0])
    return now


@pytest.fixture
def copy(clock: list[int]) -> Copy:
    """A copy of `project`, 30 of whose 50 ms are over."""
    return made_copy("project", clock)


def made_copy(code: str, clock: list[int]) -> Copy:
    make_entity(code)
    find_due([ENTITY.key(code)], 300)
    read = read_entry(ENTITY, code)
    (copy,) = read.copies
    copy.until_ns = clock[0] + 20 * MS
    return copy


def test_a_copy_in_use_lives_on_while_redis_has_the_same_bytes(copy: Copy, clock: list[int]) -> None:
    renewer = Renewer()
    for _ in range(10):
        assert local_store.find_copy(KEY) is copy
        renewer.note_use((copy,), clock[0])
        assert copy.until_ns == clock[0] + 50 * MS
        clock[0] += 30 * MS


def test_all_copies_used_since_the_last_time_are_renewed_by_one_command_and_no_others(
    copy: Copy, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [made_copy(code, clock) for code in ("task", "wiki", "form")]
    renewer = Renewer()
    renewer.note_use((copy,), clock[0])
    commands: list[tuple[object, ...]] = []
    execute = GuardedRedis.execute_command

    def note(self: GuardedRedis, *args: object, **options: object) -> object:
        commands.append(args)
        return execute(self, *args, **options)

    monkeypatch.setattr(GuardedRedis, "execute_command", note)
    renewer.note_use((others[0],), clock[0] + 24 * MS)
    assert not commands
    renewer.note_use((others[1],), clock[0] + 25 * MS)
    assert [sorted(map(str, keys)) for _, *keys in commands] == [["entity:metadata:task", "entity:metadata:wiki"]]


@pytest.mark.parametrize(
    "happens",
    [
        lambda _: hold_keys([KEY], "a writer"),
        lambda redis: redis.delete(KEY),
        lambda redis: redis.set(KEY, b"another value"),
        lambda redis: (redis.delete(KEY), redis.rpush(KEY, "no string")),
    ],
    ids=["a writer holds it", "it is gone", "it is another", "it is no value"],
)
def test_what_is_not_the_value_any_more_is_not_renewed(
    copy: Copy, clock: list[int], redis_client: Redis, happens: Callable[[Redis], object]
) -> None:
    until_ns = copy.until_ns
    happens(redis_client)
    Renewer().note_use((copy,), clock[0])
    assert copy.until_ns == until_ns
    clock[0] = until_ns
    assert local_store.find_copy(KEY) is None


def test_a_renewed_lease_counts_from_before_redis_is_asked(
    copy: Copy, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_ns = clock[0]
    execute = GuardedRedis.execute_command

    def slowly(self: GuardedRedis, *args: object, **options: object) -> object:
        clock[0] += 40 * MS
        return execute(self, *args, **options)

    monkeypatch.setattr(GuardedRedis, "execute_command", slowly)
    Renewer().note_use((copy,), asked_ns)
    assert copy.until_ns == asked_ns + 50 * MS


def test_without_redis_leases_end(copy: Copy, clock: list[int]) -> None:
    until_ns = copy.until_ns
    breaker.failed()
    Renewer().note_use((copy,), clock[0])
    assert copy.until_ns == until_ns


def test_a_copy_whose_end_in_redis_is_to_be_asked_for_is_left_to_the_next_read(copy: Copy, clock: list[int]) -> None:
    """Otherwise nobody would ever refresh a value that is always in memory."""
    clock[0] += 15_000 * MS
    until_ns = copy.until_ns
    Renewer().note_use((copy,), clock[0])
    assert copy.until_ns == until_ns


def test_one_thread_renews_and_the_others_go_on(copy: Copy, clock: list[int]) -> None:
    renewer = Renewer()
    until_ns = copy.until_ns
    with renewer._renewing:
        renewer.note_use((copy,), clock[0])
    assert copy.until_ns == until_ns
    with renewer._renewing:
        child = os.fork()
        if child == 0:
            os._exit(renewer._renewing.locked())
    assert os.waitpid(child, 0)[1] == 0
