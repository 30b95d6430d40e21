"""What is counted: exactly what happened, whoever reads it and however many threads do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from django.db import connection, transaction
from redis import Redis

from cache_layer import activity
from cache_layer.activity import collect_activity, count_local_hit, count_read, fold_reads
from cache_layer.counting.reporting import read_totals
from cache_layer.errors import CacheUnavailable
from cache_layer.keys import lease_key
from cache_layer.lookup import Entry
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.origin import current, working_for
from cache_layer.protocol.scripts import hold_keys
from cache_layer.reading import fills, reads
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing.release import release_abandoned
from cache_layer.writing.writes import invalidate_entries
from entities.lookups import ENTITY
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.conftest import empty_redis, make_entity

KEY = "entity:metadata:project"
Counted = Callable[[], dict[str, int]]

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def counted(committed_db: None, redis_client: Redis, waits: list[float]) -> Counted:
    """What was counted since the last call, but for times. Copies live long, and no writer waits for them."""
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    empty_redis(redis_client)
    drop_all_copies()
    collect_activity()
    told = read_totals()

    def difference() -> dict[str, int]:
        nonlocal told
        before, told = told, read_totals()
        new = {name: number - before.get(name, 0) for name, number in told.items() if "_seconds" not in name}
        return {name: number for name, number in new.items() if number}

    return difference


def test_reads_are_counted_by_where_they_came_from(counted: Counted) -> None:
    read_entry(ENTITY, "project")
    assert counted() == {"reads:DB": 1, "fills:stored": 1}
    drop_all_copies()
    read_entry(ENTITY, "project")
    assert counted() == {"reads:L2": 1}
    get_entity_infrastructure().get_entity("project")
    alone = read_entry(ENTITY, "project")
    assert read_entries(ENTITY, ["project", "task"])["project"] == alone
    assert counted() == {"reads:L1": 3, "reads:DB": 1, "fills:stored": 1}
    entries = collect_activity()
    assert {key: counts.hits for key, counts in entries.items()} == {KEY: 4, "entity:metadata:task": 0}
    assert all(counts.stored_s for counts in entries.values())
    assert collect_activity() == {}


def test_an_unknown_code_leaves_no_name_behind(counted: Counted) -> None:
    for _ in range(3):
        read_entry(ENTITY, "nothing")
    drop_all_copies()
    read_entry(ENTITY, "nothing")
    assert counted() == {"fills:absent": 1, "reads:DB": 1, "reads:L1": 2, "reads:L2": 1}
    assert collect_activity() == {}


def test_bypasses_are_counted_by_reason(counted: Counted, redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_keys([KEY], "a writer")
    read_entry(ENTITY, "project")
    assert counted() == {"reads:BYPASS": 1, "bypasses:held": 1}
    empty_redis(redis_client)
    redis_client.set(lease_key(KEY), "another reader", px=5_000)
    read_entry(ENTITY, "project")
    assert counted() == {"reads:BYPASS": 1, "bypasses:filling": 1}
    empty_redis(redis_client)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE app.entity SET label = 'Venture' WHERE code = 'project'")
        read_entry(ENTITY, "project")
    assert counted() == {"reads:BYPASS": 1, "bypasses:not_cacheable": 1, "fills:not_cacheable": 1}
    load = fills.load
    monkeypatch.setattr(fills, "load", lambda *asked: (hold_keys([KEY], "a writer"), load(*asked))[1])
    read_entry(ENTITY, "project")
    assert counted() == {"reads:BYPASS": 1, "bypasses:refused": 1, "fills:refused": 1}
    empty_redis(redis_client)
    monkeypatch.setattr(fills, "load", load)
    monkeypatch.setattr(fills, "fill_entries", Mock(side_effect=CacheUnavailable("gone", refused=True)))
    read_entry(ENTITY, "project")
    assert counted() == {"reads:BYPASS": 1, "bypasses:redis": 1, "fills:failed": 1}
    monkeypatch.setattr(reads, "fetch_stored", Mock(side_effect=CacheUnavailable("gone", refused=True)))
    read_entry(ENTITY, "project")
    assert counted() == {"reads:BYPASS": 1, "bypasses:redis": 1}


def test_a_write_is_counted_by_where_it_was_asked_for(counted: Counted) -> None:
    with working_for("admin"), transaction.atomic():
        Entity.objects.get(code="project").save()
        read_entry(ENTITY, "project")
    assert counted() == {
        "bypasses:own_write": 1,
        "drains": 1,
        "holds": 2,
        "holds_ended:released": 1,
        "holds_ended:stored": 1,
        "invalidations:admin": 2,
        "reads:BYPASS": 1,
    }
    counts = collect_activity()[KEY]
    assert (counts.cause, counts.stored_s > 0) == ("admin", True)
    assert current() == "command"


def test_a_write_that_is_rolled_back_invalidates_nothing(counted: Counted) -> None:
    class Refused(Exception): ...

    with pytest.raises(Refused), transaction.atomic():
        Entity.objects.get(code="project").save()
        raise Refused
    release_abandoned()
    assert counted() == {"holds": 2, "holds_ended:released": 2}


def test_other_invalidations_are_counted_by_their_cause(counted: Counted, redis_client: Redis) -> None:
    read_entry(ENTITY, "project")
    counted()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE app.entity SET label = 'Venture' WHERE code = 'project'")
    relay_changes()
    assert counted() == {"invalidations:sql": 1, "relayed_changes": 1}
    read_entry(ENTITY, "project")
    counted()
    invalidate_entries([Entry(ENTITY, "project")])
    assert counted() == {"invalidations:clear": 1, "drains": 1}
    read_entry(ENTITY, "project")
    counted()
    clear_entries(ENTITY)
    assert counted() == {"invalidations:clear": 1, "drains": 1}
    assert collect_activity()[KEY].cause == "clear"


def test_no_hit_is_lost_among_threads(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "FOLD_AT", 100)

    def count() -> None:
        for _ in range(2_500):
            count_local_hit(KEY)
            count_read("L2", KEY)

    with ThreadPoolExecutor(8) as pool:
        counting = [pool.submit(count) for _ in range(8)]
        while not all(each.done() for each in counting):
            fold_reads()
    assert counted() == {"reads:L1": 20_000, "reads:L2": 20_000}
    assert collect_activity()[KEY].hits == 40_000


def test_entries_beyond_the_limit_are_only_in_the_totals(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "MAX_ENTRIES", 2)
    for key in ("a", "b", "c", "a", "c"):
        count_local_hit(key)
    assert counted() == {"reads:L1": 5}
    assert {key: counts.hits for key, counts in collect_activity().items()} == {"a": 2, "b": 1}
