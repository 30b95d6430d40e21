"""`clear_cache` drops what it is told to, and says what it did."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError
from redis import Redis

from cache_layer.reading.reads import read_entry
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure
from pmo.lookups import GROUP
from tests.commands.conftest import run
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

VALUES = "entity:*"


@pytest.fixture
def cached(redis_client: Redis) -> Redis:
    """Three entity types and the list of all, in Redis."""
    service = get_entity_infrastructure()
    for code in ("project", "task", "wiki"):
        make_entity(code)
        service.get_entity(code)
    service.get_all_entity()
    assert len(redis_client.keys(VALUES)) == 4
    return redis_client


def test_all_drops_everything_of_every_lookup_and_no_other_key(cached: Redis) -> None:
    cached.set("somebody:else", "x")
    read_entry(GROUP, str(Group.objects.create(name="editors").pk))
    found = {each["name"]: each["values"] for each in json.loads(run("cache_status", "--json"))["lookups"]}
    assert found == dict.fromkeys(found, 0) | {"entity": 3, "entity_types": 1, "group": 1}
    assert run("clear_cache", "--all") == "5 cached values dropped\n"
    assert cached.keys(VALUES) == []
    assert cached.get("somebody:else") == b"x"


def test_codes_drop_those_and_the_list_and_only_what_was_cached_is_counted(cached: Redis) -> None:
    assert run("clear_cache", "project") == "2 cached values dropped\n"
    assert run("clear_cache", "project", "task") == "1 cached value dropped\n"
    assert cached.keys(VALUES) == [b"entity:metadata:wiki"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("project nope Task", r"Unknown entity types, nothing was done: nope, Task\."),
        ("", "Give the codes of entity types, or --tag, or --all"),
        ("project --all", "Give the codes of entity types, or --tag, or --all"),
        *((f"--tag={tag}", "--tag, nothing was done") for tag in ("under:nowhere", "beside:project", "under:", "task")),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_dropped(cached: Redis, arguments: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        run("clear_cache", *arguments.split())
    assert len(cached.keys(VALUES)) == 4


@pytest.mark.parametrize("argument", ["project", "--all"])
def test_without_redis_it_fails_and_says_so(redis_down: None, argument: str) -> None:
    make_entity("project")
    with pytest.raises(CommandError, match="Redis does not answer, so it is not certain that anything was dropped"):
        run("clear_cache", argument)


def test_a_tag_drops_everything_inside_and_the_list(cached: Redis) -> None:
    Entity.objects.filter(code="project").update(child_entity_codes=["task"])
    get_entity_infrastructure().get_all_entity()
    assert run("clear_cache", "--tag", "under:project", "--reason", "moved") == "3 cached values dropped\n"
    assert cached.keys(VALUES) == [b"entity:metadata:wiki"]
    assert CacheOperation.objects.get().subject == "under:project (project, task)"
