"""Every address of the platform, asked by every method: none fails, and a refusal says what would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity
from tests.platform.test_access import BY_TOKEN, urls  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
METHODS = ("GET", "HEAD", "OPTIONS", *CHANGING, "TRACE", "PROPFIND", "get")
FOR_PROGRAMS = sorted({pattern.replace("<str:code>", "task") for _, pattern in BY_TOKEN})
ENTITY = "/api/v1/entity"


@pytest.fixture(autouse=True)
def _quick_writes(set_options: Callable[..., None]) -> None:
    set_options(local_lease_ms=1)


@pytest.fixture
def root() -> APIClient:
    make_entity("task")
    return client_of(make_user("root", is_staff=True, is_superuser=True))


def what_is_wrong(answers: dict[str, Any]) -> list[str]:
    wrong = [f"{method}: {answer.status_code}" for method, answer in answers.items() if answer.status_code >= 500]
    for method, answer in answers.items():
        allowed = answer.get("Allow", "").split(", ")
        if answer.status_code == 405 and (allowed == [""] or method in allowed):
            wrong.append(f"{method}: 405, allowed are {allowed}")
    if answers["GET"].status_code != 405 and answers["HEAD"].status_code != answers["GET"].status_code:
        wrong.append("HEAD is not as GET")
    if answers["HEAD"].content:
        wrong.append("HEAD has a body")
    return wrong


@pytest.mark.parametrize("is_known", [True, False])
def test_no_address_for_programs_fails(root: APIClient, is_known: bool) -> None:
    client = root if is_known else APIClient()
    client.raise_request_exception, client.handler.enforce_csrf_checks = False, True
    wrong = {}
    for path in FOR_PROGRAMS:
        answers = {method: client.generic(method, path) for method in METHODS}
        found = what_is_wrong(answers)
        if path.startswith(("/api/v1/", "/api/anything", "/health", "/readyz")):
            for method, answer in answers.items():
                is_error = answer.status_code >= 400 and method != "HEAD"
                if is_error and answer.get("Content-Type") != "application/json":
                    found.append(f"{method}: an error in {answer.get('Content-Type')}")
                elif is_error and {"code", "detail", "errors"} - answer.json().keys():
                    found.append(f"{method}: {answer.json()}")
        if found:
            wrong[path] = found
    assert wrong == {}


def test_no_address_of_the_admin_fails_at_what_no_browser_sends(urls: dict[str, str]) -> None:  # noqa: F811 - the fixture
    """What browsers send is in `test_access`."""
    client = Client(raise_request_exception=False)
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    wrong = {}
    for name, path in urls.items():
        if name != "admin:logout":
            put = client.put(path)
            head = client.head(path) if put.status_code == 405 else put  # who takes a PUT for a GET takes a HEAD so too
            if max(head.status_code, put.status_code) >= 500 or "GET" in head.get("Allow", ""):
                wrong[name] = head.status_code, put.status_code
    assert wrong == {}


def test_where_there_is_nothing_every_method_is_told_so(root: APIClient, subtests: pytest.Subtests) -> None:
    root.handler.enforce_csrf_checks = True
    for path in ["/api/v1/nowhere", "/api/v2/entity", "/api/", f"{ENTITY}/types/", f"{ENTITY}/a/b/c"]:
        with subtests.test(path=path):
            for method in ("GET", "OPTIONS", *CHANGING):
                answer = root.generic(method, path)
                assert (answer.status_code, answer["Content-Type"]) == (404, "application/json"), method
                assert answer.json() == {"code": "not_found", "detail": "There is nothing at this path.", "errors": {}}


def test_words_of_the_addresses_are_no_codes(root: APIClient) -> None:
    listed = root.get(f"{ENTITY}/type")
    assert (listed.status_code, listed.content) == (200, root.get(f"{ENTITY}/types").content)
    for path in ("codes", "children", "entity", "type/types", "type/cache", "types/children"):
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
            answer = root.generic(method, f"{ENTITY}/{path}", "{}", "application/json")
            assert answer.status_code == 404, (method, path)
    assert root.delete(f"{ENTITY}/cache/types").status_code == 404
    assert root.get(f"{ENTITY}/types?codes=type").json()["errors"] == {"codes": ["type is not a code."]}


def test_a_method_that_is_not_there_is_told_where_it_is(root: APIClient, subtests: pytest.Subtests) -> None:
    for method, path, places in [
        ("POST", "types", "POST works at /api/v1/entity."),
        ("PUT", "task", "PUT works at /api/v1/entity/task/children."),
        ("PATCH", "type/task", "PATCH works at /api/v1/entity/task."),
        ("PATCH", "types", "PATCH works at /api/v1/entity/{code}."),
        ("DELETE", "type/task", "DELETE works at /api/v1/entity/cache/task and at /api/v1/entity/task."),
        ("PROPFIND", "types", None),
    ]:
        with subtests.test(method=method, path=path, places=places):
            answer = root.generic(method, f"{ENTITY}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
            said = answer.json()["detail"]
            assert said.startswith(f"{method} does not work here; what does: {answer['Allow']}.")
            assert said.endswith(places or f"{answer['Allow']}.")
