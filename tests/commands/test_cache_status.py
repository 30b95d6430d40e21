"""`cache_status` tells what is in Redis and how the server is doing."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError
from redis import Redis

from cache_layer.connection import GuardedPipeline, GuardedRedis
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.commands.conftest import run
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")


def cells(printed: str, code: str) -> list[str]:
    line = next(line for line in printed.splitlines() if line.startswith(f"│ {code} "))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_table_has_ttl_and_bytes_of_what_is_cached_and_says_what_is_not(redis_client: Redis) -> None:
    make_entity("project")
    make_entity("task")
    get_entity_infrastructure().get_entity("project")
    redis_client.delete("entity:metadata:task", "entity:types")
    redis_client.expire("entity:metadata:project", 123)
    printed = run("cache_status")
    length = redis_client.strlen("entity:metadata:project")
    assert cells(printed, "project") == ["project", "yes", "123", str(length)]
    assert cells(printed, "task") == ["task", "no", "", ""]
    assert cells(printed, "the list") == ["the list", "no", "", ""]
    assert "1 of 2 entity types cached" in printed


def test_hits_and_misses_are_the_servers(redis_client: Redis) -> None:
    redis_client.config_resetstat()
    redis_client.set("x", "y")
    for key in ("x", "x", "x", "nothing"):
        redis_client.get(key)
    server = json.loads(run("cache_status", "--json"))["server"]
    stats = redis_client.info("stats")
    assert 3 <= server["keyspace_hits"] <= stats["keyspace_hits"]
    assert 1 <= server["keyspace_misses"] <= stats["keyspace_misses"]
    assert server["hit_ratio"] == server["keyspace_hits"] / (server["keyspace_hits"] + server["keyspace_misses"])


def test_version_memory_and_backlog_are_shown(redis_client: Redis) -> None:
    printed = run("cache_status")
    assert redis_client.info("server")["valkey_version"] in cells(printed, "Version")[1]
    assert "MB" in cells(printed, "Memory")[1]
    assert cells(printed, "Changes to be told to it")[1] == "0"


def test_json_has_the_same_for_programs(redis_client: Redis) -> None:
    make_entity("project")
    get_entity_infrastructure().get_all_entity()
    report = json.loads(run("cache_status", "--json"))
    assert (report["entity_types"], report["cached"]) == (1, 1)
    entry = report["entries"][0]
    assert entry["code"] == "project"
    assert entry["cached"] is True
    assert 0 < entry["ttl_seconds"] <= 300
    assert entry["payload_bytes"] == redis_client.strlen("entity:metadata:project")
    assert report["list_entry"]["cached"] is True


def test_a_key_of_another_type_is_not_called_cached(redis_client: Redis) -> None:
    make_entity("project")
    redis_client.delete("entity:metadata:project")
    redis_client.lpush("entity:metadata:project", "x")
    assert cells(run("cache_status"), "project")[1] == "no"


def test_the_first_hundred_are_listed_and_all_on_demand() -> None:
    Entity.objects.bulk_create(
        Entity(code=f"type_{number}", label="Type", label_plural="Types", icon="Flag", display_order=number)
        for number in range(120)
    )
    printed = run("cache_status")
    assert cells(printed, "type_99")
    assert "type_100" not in printed
    assert "... and 20 more entity types: --all shows them" in printed
    assert cells(run("cache_status", "--all"), "type_119")


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The exchanges with Redis since the test emptied the list."""
    trips: list[str] = []

    def note(owner: type, method: str) -> None:
        original = getattr(owner, method)

        def noting(self: object, *args: object, **options: object) -> object:
            trips.append(method)
            return original(self, *args, **options)

        monkeypatch.setattr(owner, method, noting)

    note(GuardedRedis, "execute_command")
    note(GuardedPipeline, "execute")
    return trips


def test_round_trips_grow_by_one_for_hundreds_of_entries(redis_client: Redis, round_trips: list[str]) -> None:
    Entity.objects.bulk_create(
        Entity(code=f"type_{number}", label="Type", label_plural="Types", icon="Flag") for number in range(1500)
    )
    redis_client.mset({f"entity:metadata:type_{number}": "x" for number in range(1500)})
    round_trips.clear()
    assert json.loads(run("cache_status", "--json", "--all"))["cached"] == 1500
    assert len(round_trips) < 12


def test_without_redis_it_fails_and_says_so(redis_down: None) -> None:
    with pytest.raises(CommandError, match="Redis does not answer, so readers get entity types from the database"):
        run("cache_status")
