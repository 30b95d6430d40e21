"""Reading entity types, one or several: from the cache, byte for byte, conditionally, and in fewer bytes."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from cache_layer.memory.local_store import drop_all_copies, drop_copy
from cache_layer.protocol.scripts import hold_keys
from cache_layer.server.connection import GuardedRedis
from entities.changes import change_entity
from entities.services import get_entity_infrastructure
from pmo.web.compression import MIN_BYTES
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity, make_linked, make_types

TYPE, TYPES = "/api/v1/entity/type/project", "/api/v1/entity/types"


def test_the_document_has_the_fields_and_the_order_of_the_contract(reader: APIClient) -> None:
    make_linked("task", project="task")
    answer = reader.get(TYPE)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    document = json.loads(answer.content)
    assert list(document)[:9] == [
        "code",
        "entity_type",
        "label",
        "label_plural",
        "icon",
        "child_entity_codes",
        "active_flag",
        "created_ts",
        "modified_ts",
    ]
    assert document["child_entity_codes"] == ["task"]
    assert document["created_ts"].endswith("Z")


@pytest.mark.usefixtures("committed_db")
def test_the_body_is_what_redis_has_byte_for_byte(reader: APIClient, redis_client: GuardedRedis) -> None:
    make_entity("project", label="Prüfung 📁")
    for _ in range(2):
        assert reader.get(TYPE).content == redis_client.get("entity:metadata:project")
        assert reader.get(TYPES).content == redis_client.get("entity:types")


def test_an_inactive_entity_type_is_found_only_where_it_is_asked_for(reader: APIClient) -> None:
    make_entity("project", active_flag=False)
    assert reader.get(TYPE).status_code == 404
    assert reader.get(TYPE, {"include_inactive": "false"}).status_code == 404
    found = reader.get(TYPE, {"include_inactive": "true"})
    assert (found.status_code, found.json()["active_flag"], found["X-Cache"]) == (200, False, "BYPASS")
    assert reader.get(TYPES).json() == []
    assert [each["code"] for each in reader.get(TYPES, {"include_inactive": "true"}).json()] == ["project"]


def test_a_known_version_is_not_sent_again(reader: APIClient, subtests: pytest.Subtests) -> None:
    make_entity("project")
    for path in [TYPE, TYPES]:
        for template in ["{}", "W/{}", '"other", {}', "*"]:
            with subtests.test(path=path, template=template):
                first = reader.get(path)
                assert first["ETag"].startswith('"')
                assert (first["Cache-Control"], first["Vary"]) == ("private, no-cache", "Authorization")
                again = reader.get(path, headers={"If-None-Match": template.format(first["ETag"])})
                assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
                assert again["Cache-Control"] == first["Cache-Control"]


def test_another_version_is_sent_whole(reader: APIClient, subtests: pytest.Subtests) -> None:
    make_entity("project")
    for path in [TYPE, TYPES]:
        tag = reader.get(path)["ETag"]
        never_given = [f'{tag[:-1]}-{coding}"' for coding in ("zzz", "zstd-zstd", "")]
        for sent in ['"other"', "garbage", "", *never_given, f"{tag}, {'x' * 8_192}"]:
            with subtests.test(path=path, sent=sent):
                answer = reader.get(path, headers={"If-None-Match": sent})
                assert (answer.status_code, answer.content[:1]) == (200, b"[" if path == TYPES else b"{")


def test_accept_is_no_reason_to_answer_otherwise(reader: APIClient) -> None:
    make_entity("project")
    plain = reader.get(TYPE)
    for accept in ("text/html", "application/json; indent=4", "nonsense", "*/*;q=0"):
        assert reader.get(TYPE, headers={"Accept": accept}).content == plain.content


def test_too_many_parameters_are_told_in_json(reader: APIClient) -> None:
    too_many = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1
    answer = reader.get(f"{TYPES}?{'&'.join(['p='] * too_many)}")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


@pytest.fixture
def client(committed_db: None) -> APIClient:
    make_linked("task", "wiki", "form")
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


def test_children_are_in_their_order_without_the_inactive(client: APIClient) -> None:
    plain = client.get(TYPE).json()
    answer = client.get(f"{TYPE}?children=true")
    assert codes_in_children(answer) == ["wiki", "task"]
    assert {name: value for name, value in answer.json().items() if name != "children"} == plain
    assert client.get(f"{TYPE}?children=false").json() == plain
    assert client.get("/api/v1/entity/type/task?children=true").json()["children"] == []


def codes_in_children(answer: Any) -> list[str]:
    return [document["code"] for document in answer.json()["children"]]


def test_a_changed_child_is_another_version(client: APIClient, quick_writes: None) -> None:
    tag = client.get(f"{TYPE}?children=true")["ETag"]
    assert client.get(f"{TYPE}?children=true", headers={"If-None-Match": tag}).status_code == 304
    change_entity("wiki", {"label": "Knowledge"})
    answer = client.get(f"{TYPE}?children=true", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["children"][0]["label"] == "Knowledge"


def test_what_makes_no_sense_is_refused_by_name(client: APIClient, subtests: pytest.Subtests) -> None:
    for path, field in [
        (f"{TYPES}?codes=", "codes"),
        (f"{TYPES}?codes=task,,wiki", "codes"),
        (f"{TYPES}?codes=Task", "codes"),
        (f"{TYPES}?codes={','.join(f'c{n}' for n in range(201))}", "codes"),
        (f"{TYPES}?codes=task&include_inactive=true", "codes"),
        (f"{TYPE}?children=yes", "children"),
        (f"{TYPE}?children=true&include_inactive=true", "children"),
        (f"{TYPES}?children=true", "children"),
        (f"{TYPE}?codes=task", "codes"),
        *((f"{path}?inactive=true", "inactive") for path in (TYPE, TYPES)),
        *(
            (f"{path}?include_inactive={said}", "include_inactive")
            for path in (TYPE, TYPES)
            for said in ("", "1", "True")
        ),
    ]:
        with subtests.test(path=path, field=field):
            answer = client.get(path)
            assert answer.status_code == 400
            assert json.loads(answer.content)["errors"].keys() == {field}


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


TYPE, TYPES = "/api/v1/entity/type/project", "/api/v1/entity/types"
DECOMPRESS: dict[str, Any] = {"gzip": gzip.decompress, "zstd": zstd.decompress}


@pytest.fixture
def long_type(db: None) -> None:
    make_types(200)
    make_entity("project", child_entity_codes=[f"type_{number}" for number in range(200)])


@pytest.mark.parametrize("path", [TYPE, TYPES])
@pytest.mark.parametrize("coding", DECOMPRESS)
def test_a_long_answer_is_the_same_document_in_fewer_bytes(
    reader: APIClient, long_type: None, path: str, coding: str
) -> None:
    plain, coded = (reader.get(path, headers={"Accept-Encoding": each}) for each in ("identity", coding))
    assert coded["Content-Encoding"] == coding
    assert DECOMPRESS[coding](coded.content) == plain.content
    assert len(coded.content) == int(coded["Content-Length"]) < len(plain.content) / 3
    assert "accept-encoding" in coded["Vary"].lower()
    assert "X-Noise" not in coded
    assert reader.get(path, headers={"Accept-Encoding": coding}).content == coded.content


def test_a_short_answer_stays_as_it_is(reader: APIClient) -> None:
    make_entity("project")
    answer = reader.get(TYPE, headers={"Accept-Encoding": "zstd, gzip"})
    assert len(answer.content) < MIN_BYTES
    assert "Content-Encoding" not in answer


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_each_coding_has_a_tag_of_its_own_that_names_the_version(
    editor: APIClient, long_type: None, quick_writes: None, coding: str
) -> None:
    plain, coded = (editor.get(TYPE, headers={"Accept-Encoding": each})["ETag"] for each in ("identity", coding))
    assert coded == f'{plain[:-1]}-{coding}"'
    unchanged = editor.get(TYPE, headers={"Accept-Encoding": coding, "If-None-Match": coded})
    assert (unchanged.status_code, unchanged["ETag"]) == (304, coded)
    change = {"label": "New"}
    assert editor.patch("/api/v1/entity/project", change, headers={"If-Match": coded}).status_code == 200
    assert editor.patch("/api/v1/entity/project", change, headers={"If-Match": coded}).status_code == 412
    assert editor.get(TYPE, headers={"If-None-Match": coded}).status_code == 200


def test_pages_are_padded_at_random(db: None) -> None:
    noises = {Client().get("/admin/login/", headers={"Accept-Encoding": "gzip"})["X-Noise"] for _ in range(5)}
    assert len(noises) > 1
