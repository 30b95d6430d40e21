"""Adding entity types, and everything that is refused with the name of its field."""

import json
import time
from typing import Any

import pytest
from rest_framework.test import APIClient

from entities.models import Entity
from tests.api.conftest import PROJECT
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("quick_writes")

ENTITY = "/api/v1/entity"


def post_raw(client: APIClient, body: bytes, content_type: str = "application/json") -> Any:
    return client.generic("POST", ENTITY, body, content_type=content_type)


@pytest.mark.usefixtures("committed_db")
def test_a_created_entity_type_is_read_where_location_says(editor: APIClient) -> None:
    make_entity("task")
    assert len(editor.get("/api/v1/entity/types").json()) == 1
    created = editor.post(ENTITY, PROJECT | {"child_entity_codes": ["task", "project"], "display_order": 7})
    assert created.status_code == 201
    assert created["Location"] == "/api/v1/entity/type/project"
    read = editor.get(created["Location"])
    assert read.status_code == 200
    assert (read.content, read["ETag"]) == (created.content, created["ETag"])
    assert read.json()["child_entity_codes"] == ["task", "project"]
    assert [each["code"] for each in editor.get("/api/v1/entity/types").json()] == ["project", "task"]
    assert Entity.objects.get(code="project").display_order == 7


def test_what_is_not_given_is_as_the_model_says(editor: APIClient) -> None:
    document = editor.post(ENTITY, PROJECT | {"label": "  Project "}).json()
    values = [document[name] for name in ("label", "entity_type", "child_entity_codes", "active_flag")]
    assert values == ["Project", "project", [], True]
    assert editor.get(f"{ENTITY}/project").json() == document | {"display_order": 10}
    assert editor.post(ENTITY, PROJECT | {"code": "task", "entity_type": ""}).json()["entity_type"] == "task"


def test_a_new_entity_type_without_a_display_order_comes_last_and_its_place_is_told(editor: APIClient) -> None:
    make_entity("task", display_order=7, active_flag=False)
    make_entity("area", display_order=-1)
    assert editor.post(ENTITY, PROJECT | {"display_order": None}).status_code == 400
    document = editor.post(ENTITY, PROJECT).json()
    rows = editor.get(ENTITY)
    assert [(row["code"], row["display_order"]) for row in rows.json()] == [("area", -1), ("task", 7), ("project", 17)]
    assert rows.json()[2] == document | {"display_order": 17}
    assert rows["X-Cache"] == "BYPASS"
    assert editor.get(f"{ENTITY}/No-Code").status_code == 404
    assert editor.get(f"{ENTITY}/project?children=true").status_code == 400


def test_the_last_place_of_all_is_not_beyond_the_largest_number(editor: APIClient) -> None:
    make_entity("task", display_order=2**31 - 5)
    assert editor.post(ENTITY, PROJECT).status_code == 201
    assert Entity.objects.get(code="project").display_order == 2**31 - 1


def test_a_plural_left_out_is_the_regular_one_and_asked_for_where_that_is_too_long(editor: APIClient) -> None:
    project = {name: value for name, value in PROJECT.items() if name != "label_plural"}
    assert editor.post(ENTITY, project | {"label": "Company"}).json()["label_plural"] == "Companies"
    too_long = editor.post(ENTITY, project | {"code": "long", "label": "x" * 100})
    assert (too_long.status_code, list(too_long.json()["errors"])) == (400, ["label_plural"])
    assert editor.patch(f"{ENTITY}/project", {"label": "Task"}, format="json").json()["label_plural"] == "Companies"


def test_a_wrong_value_is_refused_by_the_name_of_its_field(editor: APIClient, subtests: pytest.Subtests) -> None:
    make_entity("task")
    for field, value in [
        ("code", ""),
        ("code", "Project"),
        ("code", "p٣"),
        ("code", " project"),
        ("code", "project\n"),
        ("code", "x" * 51),
        ("code", "cache"),
        ("code", "a\x00"),
        ("code", "\ud800"),
        ("entity_type", "x" * 51),
        ("label", ""),
        ("label", "   "),
        ("label", "x" * 101),
        ("label", "a\x00b"),
        ("label", "a\ud800b"),
        ("label_plural", "a\tb"),
        ("icon", "folder-kanban"),
        ("icon", "\ud800"),
        ("icon", "x" * 100_000),
        ("child_entity_codes", "task"),
        ("child_entity_codes", {"task": 1}),
        ("child_entity_codes", [["task"]]),
        ("child_entity_codes", ["task", "task"]),
        ("child_entity_codes", ["nowhere"]),
        ("child_entity_codes", ["\x00"]),
        ("child_entity_codes", ["\ud800"]),
        ("display_order", 2**31),
        ("display_order", -(2**31) - 1),
        ("display_order", 10**400),
        ("display_order", 1.5),
        ("display_order", "1"),
        ("display_order", True),
        ("active_flag", "true"),
        ("active_flag", []),
        ("colour", "red"),
        ("created_ts", "2025-01-15T10:30:00Z"),
        ("\ud800", 1),
        *((field, 5) for field in ("code", "entity_type", "label", "label_plural", "icon", "child_entity_codes")),
        *((field, None) for field in (*PROJECT, "entity_type", "child_entity_codes", "display_order", "active_flag")),
    ]:
        with subtests.test(field=field, value=value):
            answer = post_raw(editor, json.dumps(PROJECT | {field: value}).encode())
            assert answer.status_code == 400
            assert list(answer.json()["errors"]) == [field.encode(errors="replace").decode()]
            assert not Entity.objects.filter(code="project").exists()


def test_everything_wrong_is_told_at_once(editor: APIClient) -> None:
    answer = editor.post(ENTITY, {"code": "Project", "label": 5, "colour": "red"})
    assert sorted(answer.json()["errors"]) == ["code", "colour", "icon", "label"]


def test_an_inactive_entity_type_can_be_created_and_be_a_child(editor: APIClient) -> None:
    assert editor.post(ENTITY, PROJECT | {"active_flag": False}).json()["active_flag"] is False
    assert editor.get("/api/v1/entity/type/project").status_code == 404
    assert editor.post(ENTITY, PROJECT | {"code": "task", "child_entity_codes": ["project"]}).status_code == 201


def test_a_code_that_is_taken_is_refused(editor: APIClient) -> None:
    make_entity("project", label="Kept", active_flag=False)
    answer = editor.post(ENTITY, PROJECT)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["code"])
    assert Entity.objects.get(code="project").label == "Kept"


def test_what_is_no_object_in_json_is_refused(editor: APIClient, subtests: pytest.Subtests) -> None:
    broken = [b"{", b"{'code': 1}", b'{"display_order": NaN}', b'{"display_order": Infinity}', b'{"label": "\xff"}']
    broken += [b"\xef\xbb\xbf{}", b'{"display_order": ' + b"1" * 5000 + b"}"]
    other = [b"[]", b'["code"]', b"null", b'"project"', b"5", b"true", b"1e400", b"[1e400]"]
    for bodies, code, fields in (
        (broken, "parse_error", []),
        (other, "invalid", ["non_field_errors"]),
        ([b""], "invalid", ["code", "icon", "label"]),
    ):
        for body in bodies:
            with subtests.test(body=body):
                answer = post_raw(editor, body)
                assert (answer.status_code, answer.json()["code"]) == (400, code)
                assert sorted(answer.json()["errors"]) == fields
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]:
        with subtests.test(content_type=content_type):
            answer = post_raw(editor, b'{"code": "project"}', content_type)
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_many_children_are_checked_in_time_that_grows_with_their_number(editor: APIClient) -> None:
    """Each compared with each other, these would take most of a minute."""
    begun = time.process_time()
    answer = editor.post(ENTITY, PROJECT | {"child_entity_codes": ["a"] * 80_000})
    assert answer.json()["errors"] == {"child_entity_codes": ["Listed more than once: a."]}
    answer = editor.post(ENTITY, PROJECT | {"child_entity_codes": [f"a{number}" for number in range(10_000)]})
    assert list(answer.json()["errors"]) == ["child_entity_codes"]
    assert time.process_time() - begun < 10


def test_a_former_icon_is_kept_as_sent_and_its_name_of_now_is_told(editor: APIClient) -> None:
    created = editor.post(ENTITY, PROJECT | {"icon": "CheckSquare"})
    assert created.json()["icon"] == Entity.objects.get().icon == "CheckSquare"
    assert created["Warning"] == '299 - "Lucide calls the icon CheckSquare SquareCheckBig now; both names work."'
    changed = editor.patch(f"{ENTITY}/project", {"icon": "SquareCheckBig"}, format="json")
    assert "Warning" not in changed
