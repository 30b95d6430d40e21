"""Changing and removing entity types, also conditionally, and the parents that still list what goes."""

import pytest
from rest_framework.test import APIClient

from cache_layer.server.connection import GuardedRedis
from entities.models import Entity
from tests.conftest import make_entity, make_linked

pytestmark = pytest.mark.usefixtures("quick_writes")

PROJECT = "/api/v1/entity/project"
CHILDREN = "/api/v1/entity/project/children"
READ = "/api/v1/entity/type/project"


@pytest.mark.usefixtures("committed_db")
def test_a_change_is_answered_with_what_readers_get_from_then_on(editor: APIClient) -> None:
    before = make_entity("project", label="Old").modified_ts
    editor.get(READ)
    changed = editor.patch(PROJECT, {"label": "New", "icon": "Rocket"})
    assert (changed.status_code, changed.json()["label"], changed.json()["icon"]) == (200, "New", "Rocket")
    read = editor.get(READ)
    assert (read.content, read["ETag"]) == (changed.content, changed["ETag"])
    assert editor.get("/api/v1/entity/types").json() == [changed.json()]
    assert Entity.objects.get(code="project").modified_ts > before


def test_fields_that_are_not_given_stay_as_they_are(editor: APIClient) -> None:
    make_entity("task")
    before = make_entity("project", child_entity_codes=["task"], display_order=3, entity_type="kind")
    editor.patch(PROJECT, {"label": "New"})
    after = Entity.objects.get(code="project")
    assert after.label == "New"
    for field in ("entity_type", "label_plural", "icon", "child_entity_codes", "display_order", "active_flag"):
        assert getattr(after, field) == getattr(before, field)
    assert after.created_ts == before.created_ts


@pytest.mark.parametrize("change", [{}, {"label": "Project"}, {"code": "project"}])
def test_a_change_of_nothing_writes_nothing(editor: APIClient, change: dict[str, str]) -> None:
    before = make_entity("project")
    answer = editor.patch(PROJECT, change)
    assert answer.status_code == 200
    assert Entity.objects.get(code="project").modified_ts == before.modified_ts


def test_a_wrong_value_is_refused_by_the_name_of_its_field(editor: APIClient, subtests: pytest.Subtests) -> None:
    before = make_entity("project")
    for field, value in [
        ("code", "programme"),
        ("label", None),
        ("label", ""),
        ("icon", "Nope"),
        ("child_entity_codes", ["nowhere"]),
        ("modified_ts", "2025-01-15T10:30:00Z"),
        ("colour", "red"),
    ]:
        with subtests.test(field=field, value=value):
            answer = editor.patch(PROJECT, {field: value, "label_plural": "Changed"})
            assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
            assert Entity.objects.get(code="project").label_plural == before.label_plural


def test_a_change_of_the_version_that_was_read_succeeds_and_the_next_needs_a_new_one(editor: APIClient) -> None:
    make_entity("project")
    tag = editor.get(READ)["ETag"]
    first = editor.patch(PROJECT, {"label": "First"}, headers={"If-Match": tag})
    assert first.status_code == 200
    second = editor.patch(PROJECT, {"label": "Second"}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert Entity.objects.get(code="project").label == "First"
    third = editor.patch(PROJECT, {"label": "Third"}, headers={"If-Match": first["ETag"]})
    assert (third.status_code, third.json()["label"]) == (200, "Third")


def test_another_version_is_not_changed(editor: APIClient, subtests: pytest.Subtests) -> None:
    make_linked("task", "project")
    tag = editor.get(READ)["ETag"]
    change = ("patch", PROJECT, {"label": "New"})
    others = [("put", CHILDREN, {"child_entity_codes": ["task"]}), ("delete", PROJECT, None)]
    for (method, path, body), sent, said in [
        *((call, '"other"', "It changed since") for call in (change, *others)),
        (change, '"other", "another"', "It changed since"),
        (change, "garbage", "If-Match must list entity tags"),
        (change, '"other", garbage', "If-Match must list entity tags"),
        (change, "", "If-Match must list entity tags"),
        (change, "W/{}", "If-Match names a weak tag"),
    ]:
        with subtests.test(method=method, sent=sent):
            answer = getattr(editor, method)(path, body, headers={"If-Match": sent.format(tag)})
            assert (answer.status_code, answer["ETag"]) == (412, tag)
            assert answer.json()["detail"].startswith(said)
            assert editor.get(READ)["ETag"] == tag


@pytest.mark.usefixtures("committed_db")
def test_a_refused_change_costs_readers_nothing(editor: APIClient, redis_client: GuardedRedis) -> None:
    make_entity("project")
    editor.get(READ)
    editor.patch(PROJECT, {"label": "New"}, headers={"If-Match": '"other"'})
    assert redis_client.exists("entity:metadata:project")


@pytest.mark.parametrize("template", ["*", "{}", '"other", {}'])
def test_if_match_takes_any_version_or_one_of_several(editor: APIClient, template: str) -> None:
    make_entity("project", active_flag=False)
    tag = editor.get(READ, {"include_inactive": "true"})["ETag"]
    answer = editor.patch(PROJECT, {"label": "New"}, headers={"If-Match": template.format(tag)})
    assert answer.status_code == 200


@pytest.mark.usefixtures("committed_db")
def test_children_are_appended_in_order_and_once(editor: APIClient) -> None:
    make_linked("task", "wiki", "form", "risk", project="wiki task")
    editor.get(READ)
    answer = editor.put(CHILDREN, {"child_entity_codes": ["form", "task", "form", "risk"]})
    assert answer.status_code == 200
    assert answer.json()["child_entity_codes"] == ["wiki", "task", "form", "risk"]
    assert editor.get(READ).content == answer.content


def test_children_are_replaced_also_of_an_inactive_entity_type(editor: APIClient) -> None:
    make_linked("task", "wiki", project="wiki task")
    Entity.objects.filter(code="project").update(active_flag=False)
    for children in (["task"], ["task", "wiki"], []):
        answer = editor.put(CHILDREN, {"child_entity_codes": children, "mode": "replace"})
        assert answer.json()["child_entity_codes"] == children


def test_wrong_children_are_refused_by_the_name_of_the_field(editor: APIClient, subtests: pytest.Subtests) -> None:
    make_linked("task", "project")
    repeated = {"child_entity_codes": ["task", "task"], "mode": "replace"}
    for body, field, said in [
        ({}, "child_entity_codes", "This field is required."),
        ({"child_entity_codes": [[]]}, "child_entity_codes", "Give a list of entity codes."),
        (
            {"child_entity_codes": ["task", "nowhere", "nowhere"]},
            "child_entity_codes",
            "Unknown entity types: nowhere.",
        ),
        (repeated, "child_entity_codes", "Listed more than once: task."),
        ({"child_entity_codes": ["task"], "mode": "prepend"}, "mode", '"prepend" is not a valid choice.'),
        ({"child_entity_codes": ["task"], "position": 1}, "position", "This field is unknown or cannot be set."),
    ]:
        with subtests.test(body=body, field=field):
            answer = editor.put(CHILDREN, body)
            assert (answer.status_code, answer.json()["errors"]) == (400, {field: [said]})
            assert Entity.objects.get(code="project").child_entity_codes == []
    assert list(editor.put(CHILDREN, []).json()["errors"]) == ["non_field_errors"]


TASK = "/api/v1/entity/task"
READ_TASK = "/api/v1/entity/type/task"


def children_of(code: str) -> list[str]:
    children: list[str] = Entity.objects.get(code=code).child_entity_codes
    return children


@pytest.mark.usefixtures("committed_db")
def test_a_deactivated_entity_type_is_gone_for_readers_and_comes_back(editor: APIClient) -> None:
    make_entity("task")
    assert editor.get(READ_TASK).status_code == 200
    gone = editor.delete(TASK)
    assert (gone.status_code, gone.json()["active_flag"]) == (200, False)
    assert editor.get(READ_TASK).status_code == 404
    assert editor.get("/api/v1/entity/types").json() == []
    hidden = editor.get(READ_TASK, {"include_inactive": "true"})
    assert (hidden.content, hidden["ETag"]) == (gone.content, gone["ETag"])
    editor.patch(TASK, {"active_flag": True})
    assert editor.get(READ_TASK).status_code == 200


def test_a_listed_entity_type_may_be_deactivated_and_twice_is_no_second_change(editor: APIClient) -> None:
    make_linked("task", project="task")
    assert editor.delete(f"{TASK}?prge=true").json()["errors"].keys() == {"prge"}
    assert Entity.objects.get(code="task").active_flag, "a misspelt flag changes nothing"
    first, second = editor.delete(TASK), editor.delete(TASK)
    assert (second.status_code, second.content) == (200, first.content)
    assert children_of("project") == ["task"]


@pytest.mark.usefixtures("committed_db")
def test_a_purged_entity_type_is_gone_for_good(editor: APIClient) -> None:
    make_entity("task", child_entity_codes=["task"])
    assert editor.get(READ_TASK).status_code == 200
    purged = editor.delete(f"{TASK}?purge=true")
    assert (purged.status_code, purged.content) == (204, b"")
    assert not Entity.objects.exists()
    assert editor.get(READ_TASK).status_code == 404
    assert editor.get("/api/v1/entity/types").json() == []
    assert editor.delete(TASK).status_code == 404
    make_entity("task", active_flag=False)
    assert editor.delete(f"{TASK}?purge=true").status_code == 204, "an inactive one too"


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
    make_linked("task", project="task")
    editor.get(READ_TASK)
    editor.delete(f"{TASK}?purge=true")
    assert redis_client.exists("entity:metadata:task")


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize(("query", "status"), [("purge=true&detach=true", 204), ("detach=true", 200)])
def test_detach_takes_it_out_of_its_parents_alone(editor: APIClient, query: str, status: int) -> None:
    make_linked("task", "wiki", "tasks", project="wiki task tasks")
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
    make_linked("task", project="task")
    assert editor.delete(f"{TASK}?{query}", headers={"If-Match": '"other"'}).status_code == 412
    assert children_of("project") == ["task"]
    assert editor.get(READ_TASK).status_code == 200
