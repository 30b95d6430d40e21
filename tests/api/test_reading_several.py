"""Reading several entity types with one request: by their codes, or as the children of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from cache_layer.memory.local_store import drop_all_copies, drop_copy
from cache_layer.protocol.scripts import hold_keys
from cache_layer.server.connection import GuardedRedis
from entities.changes import change_entity
from entities.services import get_entity_infrastructure
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity

TYPES, PROJECT = "/api/v1/entity/types", "/api/v1/entity/type/project"


@pytest.fixture
def client(committed_db: None) -> APIClient:
    for code in ("task", "wiki", "form"):
        make_entity(code)
    make_entity("old", active_flag=False)
    make_entity("project", child_entity_codes=["wiki", "old", "task"])
    user: User = make_user()
    client = client_of(user)
    client.get("/api/v1/entity/type/unknown")  # the token is known from now on
    return client


def codes_in(answer: Any) -> list[str]:
    return [document["code"] for document in answer.json()]


def test_only_the_active_ones_asked_for_come_in_this_order_and_once(client: APIClient) -> None:
    answer = client.get(f"{TYPES}?codes=task,old,project,nobody,task")
    assert codes_in(answer) == ["task", "project"]
    answer = client.get(f"{TYPES}?codes=nowhere")
    assert (answer.content, answer["X-Cache"]) == (b"[]", "DB")


def test_several_cost_one_command_or_one_query_and_two_scripts(
    client: APIClient, commands: list[str], redis_client: GuardedRedis, set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=2_000)
    codes = ["task", "wiki", "form", "project"]
    drop_all_copies()
    client.get(f"{TYPES}?codes=nowhere")  # who asks is in memory
    commands.clear()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"{TYPES}?codes={','.join(codes)}")["X-Cache"] == "L2"
        assert client.get(f"{TYPES}?codes={','.join(codes)}")["X-Cache"] == "L1"
    assert (commands, len(queries)) == (["MGET"], 0)
    for _ in range(2):  # the first time loads the scripts
        redis_client.delete("entity:metadata:task", "entity:metadata:wiki")
        drop_all_copies()
        client.get(f"{TYPES}?codes=nowhere")
        commands.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{TYPES}?codes={','.join(codes)}")["X-Cache"] == "DB"
        assert len(queries) == 1
    assert commands == ["MGET", "EVALSHA", "EVALSHA"]
    assert redis_client.exists("entity:metadata:task", "entity:metadata:wiki") == 2


def test_a_value_that_cannot_be_read_costs_the_others_nothing(client: APIClient, redis_client: GuardedRedis) -> None:
    redis_client.set("entity:metadata:task", b"garbage")
    redis_client.delete("entity:metadata:wiki")
    redis_client.rpush("entity:metadata:wiki", "a list")
    drop_all_copies()
    found = get_entity_infrastructure().get_entities(["task", "wiki", "form"])
    assert [document.label for document in found.values()] == ["Task", "Wiki", "Form"]
    drop_all_copies()
    assert client.get(f"{TYPES}?codes=task,wiki,form")["X-Cache"] == "L2"


def test_children_are_in_their_order_without_the_inactive(client: APIClient) -> None:
    plain = client.get(PROJECT).json()
    answer = client.get(f"{PROJECT}?children=true")
    assert codes_in_children(answer) == ["wiki", "task"]
    assert {name: value for name, value in answer.json().items() if name != "children"} == plain
    assert client.get(f"{PROJECT}?children=false").json() == plain
    assert client.get("/api/v1/entity/type/task?children=true").json()["children"] == []


def codes_in_children(answer: Any) -> list[str]:
    return [document["code"] for document in answer.json()["children"]]


def test_a_changed_child_is_another_version(client: APIClient, quick_writes: None) -> None:
    tag = client.get(f"{PROJECT}?children=true")["ETag"]
    assert client.get(f"{PROJECT}?children=true", headers={"If-None-Match": tag}).status_code == 304
    change_entity("wiki", {"label": "Knowledge"})
    answer = client.get(f"{PROJECT}?children=true", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["children"][0]["label"] == "Knowledge"


def test_what_makes_no_sense_is_refused_by_name(client: APIClient, subtests: pytest.Subtests) -> None:
    for path, field in [
        (f"{TYPES}?codes=", "codes"),
        (f"{TYPES}?codes=task,,wiki", "codes"),
        (f"{TYPES}?codes=Task", "codes"),
        (f"{TYPES}?codes={','.join(f'c{n}' for n in range(201))}", "codes"),
        (f"{TYPES}?codes=task&include_inactive=true", "codes"),
        (f"{PROJECT}?children=yes", "children"),
        (f"{PROJECT}?children=true&include_inactive=true", "children"),
        (f"{TYPES}?children=true", "children"),
        (f"{PROJECT}?codes=task", "codes"),
        *((f"{path}?inactive=true", "inactive") for path in (PROJECT, TYPES)),
        *(
            (f"{path}?include_inactive={said}", "include_inactive")
            for path in (PROJECT, TYPES)
            for said in ("", "1", "True")
        ),
    ]:
        with subtests.test(path=path, field=field):
            answer = client.get(path)
            assert answer.status_code == 400
            assert json.loads(answer.content)["errors"].keys() == {field}


def test_unknown_parents_have_no_children(client: APIClient) -> None:
    assert client.get("/api/v1/entity/type/nobody?children=true").status_code == 404


def test_without_redis_all_come_from_the_database_with_one_query(
    client: APIClient, monkeypatch: pytest.MonkeyPatch, set_options: Callable[..., None]
) -> None:
    drop_all_copies()
    monkeypatch.setattr("cache_layer.server.connection.breaker._open_until", float("inf"))
    monkeypatch.setattr("cache_layer.server.connection.breaker.failures", 1)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(f"{TYPES}?codes=task,wiki")
    assert (answer["X-Cache"], codes_in(answer), len(queries)) == ("BYPASS", ["task", "wiki"], 2), "one for the user"


def test_what_is_put_together_lasts_no_longer_than_any_of_its_parts(
    client: APIClient, set_options: Callable[..., None]
) -> None:
    service = get_entity_infrastructure()
    set_options(local_lease_ms=2_000)
    project, wiki, task = (service.read_entity(code).copies[0] for code in ("project", "wiki", "task"))
    assert service.read_entities(["project", "wiki"]).copies == (project, wiki)
    assert {project, wiki, task} < set(service.read_entity_with_children("project").copies)  # and the inactive one
    hold_keys(["entity:metadata:form", "entity:metadata:later"], "a writer")
    drop_copy("entity:metadata:form")
    assert service.read_entities(["project", "form"]).copies == ()
    assert service.read_entities(["project", "later"]).copies == ()  # it may be there in a moment
