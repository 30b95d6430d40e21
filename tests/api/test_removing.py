"""Deactivating and purging, and the parents that still list what goes."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from cache_layer.server.connection import GuardedRedis
from entities.models import Entity
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("quick_writes")

TASK = "/api/v1/entity/task"
READ = "/api/v1/entity/type/task"


def children_of(code: str) -> list[str]:
    children: list[str] = Entity.objects.get(code=code).child_entity_codes
    return children


@pytest.mark.usefixtures("committed_db")
def test_a_deactivated_entity_type_is_gone_for_readers_and_comes_back(editor: APIClient) -> None:
    make_entity("task")
    assert editor.get(READ).status_code == 200
    gone = editor.delete(TASK)
    assert (gone.status_code, gone.json()["active_flag"]) == (200, False)
    assert editor.get(READ).status_code == 404
    assert editor.get("/api/v1/entity/types").json() == []
    hidden = editor.get(READ, {"include_inactive": "true"})
    assert (hidden.content, hidden["ETag"]) == (gone.content, gone["ETag"])
    editor.patch(TASK, {"active_flag": True})
    assert editor.get(READ).status_code == 200


def test_deactivating_twice_is_no_error_and_no_second_change(editor: APIClient) -> None:
    make_entity("task")
    first, second = editor.delete(TASK), editor.delete(TASK)
    assert (second.status_code, second.content) == (200, first.content)


def test_a_listed_entity_type_may_be_deactivated(editor: APIClient) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    assert editor.delete(TASK).status_code == 200
    assert children_of("project") == ["task"]


@pytest.mark.usefixtures("committed_db")
def test_a_purged_entity_type_is_gone_for_good(editor: APIClient) -> None:
    make_entity("task", child_entity_codes=["task"])
    assert editor.get(READ).status_code == 200
    purged = editor.delete(f"{TASK}?purge=true")
    assert (purged.status_code, purged.content) == (204, b"")
    assert not Entity.objects.exists()
    assert editor.get(READ).status_code == 404
    assert editor.get("/api/v1/entity/types").json() == []
    assert editor.delete(TASK).status_code == 404


def test_an_inactive_entity_type_can_be_purged(editor: APIClient) -> None:
    make_entity("task", active_flag=False)
    assert editor.delete(f"{TASK}?purge=true").status_code == 204


def test_a_listed_entity_type_is_not_purged_and_its_parents_are_named(editor: APIClient) -> None:
    make_entity("task", child_entity_codes=["task"])
    make_entity("project", child_entity_codes=["task"], display_order=2)
    make_entity("office", child_entity_codes=["task"], display_order=1, active_flag=False)
    refused = editor.delete(f"{TASK}?purge=true")
    assert refused.status_code == 409
    assert refused.json() == {
        "detail": "task is still listed as a child of: office, project.",
        "errors": {},
        "code": "listed_by_parents",
        "parents": ["office", "project"],
    }
    assert Entity.objects.filter(code="task").exists()


@pytest.mark.usefixtures("committed_db")
def test_a_refused_purge_costs_readers_nothing(editor: APIClient, redis_client: GuardedRedis) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    editor.get(READ)
    editor.delete(f"{TASK}?purge=true")
    assert redis_client.exists("entity:metadata:task")


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize(("query", "status"), [("purge=true&detach=true", 204), ("detach=true", 200)])
def test_detach_takes_it_out_of_its_parents_alone(editor: APIClient, query: str, status: int) -> None:
    for code in ("task", "wiki", "tasks"):
        make_entity(code)
    make_entity("project", child_entity_codes=["wiki", "task", "tasks"])
    make_entity("office", child_entity_codes=["task"], active_flag=False)
    other = make_entity("business", child_entity_codes=["tasks"])
    tag = editor.get("/api/v1/entity/type/project")["ETag"]
    assert editor.delete(f"{TASK}?{query}").status_code == status
    assert (children_of("project"), children_of("office")) == (["wiki", "tasks"], [])
    project = editor.get("/api/v1/entity/type/project")
    assert project.json()["child_entity_codes"] == ["wiki", "tasks"]
    assert project["ETag"] != tag
    assert Entity.objects.get(code="business").modified_ts == other.modified_ts


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("query", ["purge=true&detach=true", "detach=true"])
def test_a_refused_removal_detaches_nothing(editor: APIClient, query: str) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    assert editor.delete(f"{TASK}?{query}", headers={"If-Match": '"other"'}).status_code == 412
    assert children_of("project") == ["task"]
    assert editor.get(READ).status_code == 200


def test_a_misspelt_flag_changes_nothing(editor: APIClient) -> None:
    make_entity("task")
    answer = editor.delete(f"{TASK}?prge=true")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["prge"])
    assert Entity.objects.get(code="task").active_flag
