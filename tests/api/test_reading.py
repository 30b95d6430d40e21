"""Reading entity types: from the cache, byte for byte, conditionally."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.conf import settings
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from cache_layer.server.connection import GuardedRedis
from tests.conftest import make_entity

TYPE = "/api/v1/entity/type/project"
TYPES = "/api/v1/entity/types"


def test_the_document_has_the_fields_and_the_order_of_the_contract(reader: APIClient) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
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


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("path", [TYPE, TYPES])
def test_a_second_read_within_the_lease_costs_no_query_and_no_redis_command(
    reader: APIClient,
    commands: list[str],
    django_assert_num_queries: DjangoAssertNumQueries,
    set_options: Callable[..., None],
    path: str,
) -> None:
    set_options(local_lease_ms=2_000)
    make_entity("project")
    reader.get(path)
    commands.clear()
    with django_assert_num_queries(0):
        assert reader.get(path).status_code == 200
    assert commands == []


def test_an_inactive_entity_type_is_found_only_where_it_is_asked_for(reader: APIClient) -> None:
    make_entity("project", active_flag=False)
    assert reader.get(TYPE).status_code == 404
    assert reader.get(TYPE, {"include_inactive": "false"}).status_code == 404
    found = reader.get(TYPE, {"include_inactive": "true"})
    assert (found.status_code, found.json()["active_flag"], found["X-Cache"]) == (200, False, "BYPASS")
    assert reader.get(TYPES).json() == []
    assert [each["code"] for each in reader.get(TYPES, {"include_inactive": "true"}).json()] == ["project"]


def test_an_unknown_or_impossible_code_is_not_found(reader: APIClient, subtests: pytest.Subtests) -> None:
    make_entity("project")
    for code in ["nowhere", "Project", "x" * 5000, "%00", "project%0A", "٣", "%ff%fe", "..", "a%2Fb"]:
        with subtests.test(code=code):
            answer = reader.get(f"/api/v1/entity/type/{code}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


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


@pytest.mark.parametrize("path", [TYPE, TYPES])
def test_head_gives_the_headers_alone(reader: APIClient, path: str) -> None:
    make_entity("project")
    whole, head = reader.get(path), reader.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head["ETag"] == whole["ETag"]
    assert head["Content-Length"] == str(len(whole.content))


def test_accept_is_no_reason_to_answer_otherwise(reader: APIClient) -> None:
    make_entity("project")
    plain = reader.get(TYPE)
    for accept in ("text/html", "application/json; indent=4", "nonsense", "*/*;q=0"):
        assert reader.get(TYPE, headers={"Accept": accept}).content == plain.content


def test_too_many_parameters_are_told_in_json(reader: APIClient) -> None:
    too_many = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1
    answer = reader.get(f"{TYPES}?{'&'.join(['p='] * too_many)}")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
