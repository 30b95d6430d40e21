"""One reader reloads a hot value before it expires, and nobody else notices."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, connections, transaction
from redis import Redis

from cache_layer import Source
from cache_layer.errors import CacheUnavailable
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading import fills, refresh
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.server.connection import GuardedPipeline
from entities.lookups import ENTITY
from tests.cache_layer.conftest import Clock
from tests.cache_layer.project import KEY, claim_fill
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("project")


def read_from_redis() -> Source:
    drop_all_copies()
    return read_entry(ENTITY, "project").source


def test_a_value_about_to_expire_is_reloaded(redis_client: Redis, clock: Clock) -> None:
    assert read_from_redis() is Source.REDIS
    redis_client.expire(KEY, 29)
    clock.wait(15)
    assert read_from_redis() is Source.DATABASE
    assert redis_client.ttl(KEY) == 300
    assert read_from_redis() is Source.REDIS


def test_a_value_with_time_left_is_not_reloaded(redis_client: Redis, clock: Clock) -> None:
    read_from_redis()
    redis_client.expire(KEY, 31)
    clock.wait(15)
    assert read_from_redis() is Source.REDIS
    redis_client.expire(KEY, 15)
    assert read_from_redis() is Source.REDIS  # known to live until then, and not asked about again
    clock.wait(15)
    assert read_from_redis() is Source.DATABASE


def test_one_of_many_readers_reloads_it(redis_client: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    read_from_redis()
    redis_client.expire(KEY, 29)
    clock.wait(15)
    monkeypatch.setattr(refresh, "_ask_at", lambda *_: None)  # every thread stands for a process that has just asked
    together = threading.Barrier(8)
    loaded: list[object] = []
    load = fills.load

    def count(*args: Any) -> Any:
        loaded.append(args)
        together.wait(10)
        return load(*args)

    monkeypatch.setattr(fills, "load", count)

    def read(number: int) -> Source:
        try:
            drop_all_copies()
            source = read_entry(ENTITY, "project").source
            if source is Source.REDIS:
                together.wait(10)
            return source
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        sources = list(pool.map(read, range(8)))
    assert sorted(sources) == [Source.DATABASE, *[Source.REDIS] * 7]
    assert len(loaded) == 1


def test_a_value_survives_a_database_that_fails(
    redis_client: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_from_redis()
    redis_client.expire(KEY, 29)
    clock.wait(15)

    monkeypatch.setattr(fills, "load", Mock(side_effect=DatabaseError("away")))
    assert read_from_redis() is Source.REDIS
    assert claim_fill(KEY, "another's", replace=True)[0].name == "LEASE"  # ours was given back


def test_remembered_expiry_times_are_bounded(set_options: Callable[..., None]) -> None:
    set_options(local_entries=5)
    for number in range(50):
        assert not refresh.find_due([f"entity:metadata:type_{number}"], 300)
    assert len(refresh._ask_at_ns) == 5


def test_nothing_is_due_while_redis_does_not_answer(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh.note_filled([KEY], 300)
    clock.wait(300)
    failing = Mock(side_effect=CacheUnavailable("silent", refused=False))
    monkeypatch.setattr(GuardedPipeline, "execute", failing)
    assert refresh.find_due([KEY], 300) == []
    failing.assert_called_once()


def test_several_are_refreshed_together(
    redis_client: Redis, clock: Clock, commands: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    codes = ["project", *(f"type_{number}" for number in range(5))]
    for code in codes[1:]:
        make_entity(code)
    for _ in range(2):  # the first time loads the scripts
        drop_all_copies()
        read_entries(ENTITY, codes)
        for code in codes:
            redis_client.expire(ENTITY.key(code), 29)
        clock.wait(300)
        drop_all_copies()
        commands.clear()
        assert {read.source for read in read_entries(ENTITY, codes).values()} == {Source.DATABASE}
    assert commands == ["MGET", "PIPELINE", "EVALSHA", "EVALSHA"], "the second command asks for the TTLs"
    assert all(redis_client.ttl(ENTITY.key(code)) == 300 for code in codes)
    logged = {record.msg: vars(record) for record in caplog.records}
    for line in (logged["Cache miss"], logged["Cache populated"]):
        assert (line["keys"], line["count"]) == ([ENTITY.key(code) for code in codes], 6)
    assert logged["Cache populated"]["ttl_seconds"] == 300
    assert logged["Cache populated"]["bytes"] == sum(map(len, redis_client.mget(map(ENTITY.key, codes))))


def test_nothing_is_refreshed_inside_the_callers_transaction(redis_client: Redis, clock: Clock) -> None:
    """It could wait for a lock, fail, and take the transaction with it; or see an older snapshot."""
    read_from_redis()
    redis_client.expire(KEY, 29)
    clock.wait(15)
    with transaction.atomic():
        assert read_from_redis() is Source.REDIS
    assert read_from_redis() is Source.DATABASE
