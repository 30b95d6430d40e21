"""What reads, writes and clearing cost in commands and queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis

from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep.clearing import clear_entries
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.project import KEY

pytestmark = pytest.mark.usefixtures("project")


def read_and_count(commands: list[str]) -> tuple[list[str], int]:
    commands.clear()
    with CaptureQueriesContext(connection) as queries:
        read_entry(ENTITY, "project")
    return list(commands), len(queries)


def test_a_miss_is_a_get_two_scripts_and_a_query_and_a_hit_a_get_or_nothing(
    redis_client: Redis, commands: list[str], set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=2_000)
    for _ in range(2):  # the first time loads the scripts
        redis_client.delete(KEY)
        drop_all_copies()
        missed = read_and_count(commands)
    assert missed == (["GET", "EVALSHA", "EVALSHA"], 1)
    drop_all_copies()
    assert read_and_count(commands) == (["GET"], 0)
    assert read_and_count(commands) == ([], 0)


def test_a_write_is_two_scripts(project: Entity, commands: list[str]) -> None:
    """The type and the list of all, held together and released together."""
    project.save()
    commands.clear()
    project.save()
    assert commands == ["EVALSHA", "EVALSHA"]


def test_clearing_uses_neither_keys_nor_flush(redis_client: Any, commands: list[str]) -> None:
    redis_client.mset({f"entity:metadata:type_{number}": b"{}" for number in range(2_000)})
    commands.clear()
    assert clear_entries(ENTITY) == 2_001
    assert set(commands) <= {"SCAN", "EVALSHA", "EVAL"}
    assert len(commands) < 20
    assert redis_client.keys("entity:metadata:*") == []
