"""Requests at the same time, on real commits: none is lost, and what only the database notices is told by field."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from psycopg.errors import LockNotAvailable
from rest_framework.test import APIClient

from cache_layer.metrics import HOLDS
from entities import changes
from entities.models import Entity
from tests.api.conftest import PROJECT
from tests.cache_layer.project import psql
from tests.conftest import make_entity, make_linked, make_types, sql
from tests.servers import test_database_url
from tests.threads import beside
from tests.waiting import wait_for

WAITING = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

pytestmark = pytest.mark.usefixtures("committed_db", "quick_writes")


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each call in a thread of its own, all beginning together."""
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            together.wait(timeout=30)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def another(client: APIClient) -> APIClient:
    """The same user's client, for another thread."""
    return APIClient(**client.defaults)


def answer_after(change: Callable[[], object], request: Callable[[], Any]) -> Any:
    """What is answered to a request that waits for a change in a transaction that began before it."""
    with psycopg.connect(test_database_url(), autocommit=True) as session, contextlib.ExitStack() as stack:
        with transaction.atomic():
            change()
            late = stack.enter_context(beside(request))
            wait_for(lambda: session.execute(WAITING).rowcount > 0)
        return late.result(timeout=20)


def test_20_appends_at_once_lose_none(editor: APIClient) -> None:
    make_types(20)
    codes = [f"type_{number}" for number in range(20)]
    make_entity("project")

    def append(code: str) -> Callable[[], Any]:
        client = another(editor)
        return lambda: client.put("/api/v1/entity/project/children", {"child_entity_codes": [code]})

    answers = at_once([append(code) for code in codes])
    assert {answer.status_code for answer in answers} == {200}
    children = Entity.objects.get(code="project").child_entity_codes
    assert sorted(children) == sorted(codes)
    assert editor.get("/api/v1/entity/type/project").json()["child_entity_codes"] == children


def test_of_creations_of_one_code_at_once_one_succeeds(editor: APIClient) -> None:
    clients = [another(editor) for _ in range(8)]
    answers = at_once([lambda client=client: client.post("/api/v1/entity", PROJECT) for client in clients])
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
    assert all(list(answer.json()["errors"]) == ["code"] for answer in answers if answer.status_code == 400)


def test_changes_of_two_that_list_each_other_do_not_block_each_other(editor: APIClient) -> None:
    make_linked("task", "wiki")
    pairs = [("task", "wiki"), ("wiki", "task")] * 6

    def append(code: str, child: str) -> Callable[[], Any]:
        client = another(editor)
        body = {"child_entity_codes": [child, code]}
        return lambda: client.put(f"/api/v1/entity/{code}/children", body | {"mode": "replace"})

    answers = at_once([append(*pair) for pair in pairs])
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "", {"label": "Late"}),
        ("put", "/children", {"child_entity_codes": ["task"]}),
        ("delete", "", {}),
        ("delete", "?purge=true", {}),
    ],
)
def test_a_change_waits_for_the_one_before_it_and_sees_it(
    editor: APIClient, method: str, path: str, body: dict[str, object]
) -> None:
    """The version is compared under the row's lock, not before it."""
    make_linked("task", "project")
    tag = editor.get("/api/v1/entity/type/project")["ETag"]

    def change() -> Any:
        send = getattr(another(editor), method)
        return send(f"/api/v1/entity/project{path}", body, headers={"If-Match": tag})

    late = answer_after(lambda: Entity.objects.filter(code="project").update(label="Early"), change)
    assert late.status_code == 412
    row = Entity.objects.get(code="project")
    assert (row.label, row.child_entity_codes, row.active_flag) == ("Early", [], True)


def test_a_type_may_be_listed_while_it_is_changed_but_not_once_its_purge_has_begun() -> None:
    make_linked("task", "project")

    def list_it(_: Entity) -> None:
        psql(
            "SET lock_timeout = '50ms';"
            """UPDATE app.entity SET child_entity_codes = '["task"]' WHERE code = 'project'"""
        )

    changes.change_entity("task", {"label": "New"}, list_it)
    assert changes.parents_of("task") == ["project"]
    changes.change_entity("project", {"child_entity_codes": []})
    with pytest.raises(LockNotAvailable):
        changes.purge_entity("task", check=list_it)


def test_every_change_holds_all_it_changes_at_once(commands: list[str]) -> None:
    """So that writers who queue for one row drain together, not one by one."""
    make_linked("wiki", "task")
    make_entity("gone", active_flag=False)
    switched: list[Entity] = []

    def holds_of(change: Callable[[], object]) -> tuple[int, float]:
        """How many scripts hold and release, and how many entries they hold."""
        children = Entity.objects.exclude(code="gone")
        children.update(active_flag=True)
        make_entity("project", child_entity_codes=list(children.values_list("code", flat=True)))
        commands.clear()
        before = HOLDS._value.get()
        change()
        held = commands.count("EVALSHA"), HOLDS._value.get() - before
        Entity.objects.filter(code="project").delete()
        return held

    assert holds_of(lambda: changes.change_entity("project", {}, append=["gone"])) == (2, 2), "and the list of all"
    assert holds_of(lambda: changes.change_entity("task", {"active_flag": False})) == (2, 2)
    assert holds_of(lambda: changes.change_entity("task", {"active_flag": False}, detach=True)) == (2, 3)
    assert holds_of(lambda: switched.extend(changes.deactivate_entities(["gone", "task"]))) == (2, 3)
    assert [row.code for row in switched] == ["task"]
    assert holds_of(lambda: changes.deactivate_entities(["gone", "task"], detach=True)) == (2, 4)
    assert holds_of(lambda: changes.purge_entity("wiki", detach=True)) == (2, 3)
    assert holds_of(lambda: changes.purge_entities(["gone", "task"], detach=True)) == (2, 4)


def test_a_child_that_vanishes_just_before_is_told_by_field(editor: APIClient) -> None:
    """Both requests find the child; then one purges it."""
    make_linked("task", "project")

    def append() -> Any:
        return another(editor).put("/api/v1/entity/project/children", {"child_entity_codes": ["task"]})

    late = answer_after(lambda: Entity.objects.get(code="task").delete(), append)
    assert late.status_code == 400
    assert late.json()["errors"] == {"child_entity_codes": ['unknown child entity types of "project": task']}


def test_a_parent_that_appears_just_before_a_purge_is_named(editor: APIClient) -> None:
    make_linked("task", "project")
    late = answer_after(
        lambda: Entity.objects.filter(code="project").update(child_entity_codes=["task"]),
        lambda: another(editor).delete("/api/v1/entity/task?purge=true"),
    )
    assert (late.status_code, late.json()["parents"]) == (409, ["project"])
    assert Entity.objects.filter(code="task").exists()


def test_a_code_that_is_taken_just_before_is_told_by_field() -> None:
    make_entity("project")
    with pytest.raises(ValidationError) as refused:
        changes.create_entity(PROJECT)
    assert refused.value.message_dict == {"code": ["An entity type with this code exists already."]}


def test_what_the_database_refuses_is_told_by_field(subtests: pytest.Subtests) -> None:
    for values, field in [
        ({"code": "Bad-Code"}, "code"),
        ({"code": "cache"}, "code"),
        ({"child_entity_codes": ["project", "project"]}, "child_entity_codes"),
        ({"child_entity_codes": [1]}, "child_entity_codes"),
        ({"child_entity_codes": ["nowhere"]}, "child_entity_codes"),
    ]:
        with subtests.test(values=values, field=field):
            with pytest.raises(ValidationError) as refused:
                changes.create_entity(PROJECT | values)
            assert list(refused.value.message_dict) == [field]


def test_a_time_that_no_document_can_have_is_refused_to_sql_too(subtests: pytest.Subtests) -> None:
    """With one of those in a row no list of entity types could be read."""
    make_entity("project")
    for moment in ["infinity", "-infinity", "10000-01-01 UTC", "0001-01-01 00:00+14"]:
        for column in ["created_ts", "modified_ts"]:
            with subtests.test(moment=moment, column=column), pytest.raises(IntegrityError, match="entity_times"):
                sql(f"UPDATE app.entity SET {column} = %s", moment)
