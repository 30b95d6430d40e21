"""
Every address of the platform, asked by every kind of user and by every method; one that has no line here fails.

Who may open what is told here; no method is an error of the server, and a refusal says what would do.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from entities.models import CacheOperation, EntityEvent
from tests.api.conftest import PROJECT, client_of, make_user
from tests.conftest import make_entity
from tests.dashboard.conftest import staff_with

pytestmark = pytest.mark.usefixtures("db", "quick_writes")

USERS: dict[str, Callable[[], User | None]] = {
    "anonymous": lambda: None,
    "reader": lambda: make_user("reader"),
    "viewer": lambda: staff_with("viewer", "view_entity"),
    "cache viewer": lambda: staff_with("viewer", "view_entity", "view_cache"),
    "operator": lambda: staff_with("olga", "view_entity", "view_cache", "operate_cache"),
    "editor": lambda: make_user("editor", "view", "add", "change", "delete", is_staff=True),
    "staff": lambda: make_user("staff", is_staff=True),
    "superuser": lambda: make_user("root", is_staff=True, is_superuser=True),
}
WITH_ONE_PERMISSION = ("add", "change", "delete")
EVERYONE = {*USERS, *WITH_ONE_PERMISSION}
KNOWN = EVERYONE - {"anonymous"}
STAFF = KNOWN - {"reader", *WITH_ONE_PERMISSION}
VIEWERS = STAFF - {"staff"}
EDITORS = {"editor", "superuser"}
CACHE_VIEWERS = {"cache viewer", "operator", "superuser"}
OPERATORS = {"operator", "superuser"}
SUPERUSER = {"superuser"}
NOBODY: set[str] = set()

BY_TOKEN = {
    ("POST", "/api/v1/auth/login"): EVERYONE,
    ("POST", "/api/v1/auth/refresh"): EVERYONE,
    ("POST", "/api/v1/auth/logout"): EVERYONE,
    ("GET", "/api/v1/auth/me"): KNOWN,
    ("POST", "/api/v1/entity"): {"add", *EDITORS},
    ("GET", "/api/v1/entity/types"): KNOWN,
    ("GET", "/api/v1/entity/type"): KNOWN,  # the same
    ("GET", "/api/v1/entity/type/<str:code>"): KNOWN,
    ("DELETE", "/api/v1/entity/cache"): STAFF,
    ("DELETE", "/api/v1/entity/cache/<str:code>"): STAFF,
    ("PATCH", "/api/v1/entity/<str:code>"): {"change", *EDITORS},
    ("PUT", "/api/v1/entity/<str:code>/children"): {"change", *EDITORS},
    ("DELETE", "/api/v1/entity/<str:code>"): {"delete", *EDITORS},
    ("DELETE", "/api/v1/entity/<str:code>?detach=true"): {"delete", *EDITORS},
    ("DELETE", "/api/v1/entity/<str:code>?purge=true"): {"delete", *EDITORS},
    ("GET", "/api/schema"): EVERYONE,
    ("GET", "/api/docs"): EVERYONE,
    ("GET", "/api/anything/else"): EVERYONE,  # that there is nothing
    ("GET", "/health"): EVERYONE,
    ("GET", "/healthz"): EVERYONE,
    ("GET", "/readyz"): EVERYONE,
    ("GET", "/metrics"): NOBODY,  # a user's token is not METRICS_TOKEN: tests/platform/test_metrics.py
    ("GET", "/"): EVERYONE,
    ("GET", "/.well-known/security.txt"): EVERYONE,
    ("POST", "/token"): NOBODY,  # by a form of the page of somebody who is logged in
}
"""Who gets something else than 401 or 403, with the token of an API user."""
BODIES: dict[str, Any] = {"/api/v1/entity": PROJECT, "/api/v1/entity/<str:code>/children": {"child_entity_codes": []}}

PAGES: list[tuple[set[str], str, str]] = [
    (EVERYONE, "admin", "login"),
    (STAFF, "admin", "index search password_change password_change_done jsi18n view_on_site app_list"),
    (NOBODY, "admin", "autocomplete"),  # no field of the admin is completed by it
    (CACHE_VIEWERS, "cache", "dashboard figures entries memories entry values"),
    (OPERATORS, "cache", "operate"),
    (VIEWERS, "admin:entities_entity", "changelist change history compare changes undo map export"),
    (VIEWERS, "admin:entities_entity", "children cache cache_states"),
    (EDITORS, "admin:entities_entity", "add delete restore import process_import activate deactivate"),
    (EDITORS, "admin:entities_entity", "preview_new preview editors"),
    (STAFF, "admin:entities_entity", "icons"),
    (OPERATORS, "admin:entities_entity", "operate_cache"),
    (CACHE_VIEWERS, "admin:entities_cacheoperation", "changelist change history"),  # to be read
    (NOBODY, "admin:entities_cacheoperation", "add delete"),
    (SUPERUSER, "admin:auth_user", "changelist add change delete history password_change"),
    (SUPERUSER, "admin:auth_group", "changelist add change delete history"),
    *(
        (allowed, f"admin:axes_{log}", pages)
        for log in ("accessattempt", "accessfailurelog", "accesslog")
        for allowed, pages in ((SUPERUSER, "changelist change delete history"), (NOBODY, "add"))
    ),
]
BY_SESSION = {
    f"{start}{'_' if '_' in start else ':'}{page}": allowed for allowed, start, pages in PAGES for page in pages.split()
}
BY_SESSION |= {"admin:anything else": STAFF, "admin:logout": EVERYONE}  # at the end: it logs out
"""Who gets something else than 403 or the way to the login page, logged in as in a browser."""


def addresses() -> Iterator[tuple[str, str]]:
    """The name and the pattern of every address there is."""

    def walk(resolver: URLResolver, before: str, space: str) -> Iterator[tuple[str, str]]:
        for each in resolver.url_patterns:
            pattern = before + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each, pattern, each.namespace or space)
            elif isinstance(each, URLPattern):
                yield f"{space}:{each.name}" if each.name else f"{space}:anything else", pattern

    return walk(get_resolver(), "/", "")


def test_every_address_has_a_line_here() -> None:
    found = list(addresses())
    by_session = {name for name, pattern in found if pattern.startswith("/admin/")}
    assert by_session == set(BY_SESSION)
    by_token = {pattern.replace("^api/", "api/anything/else") for _, pattern in found if "/admin/" not in pattern}
    assert by_token == {pattern.partition("?")[0] for _, pattern in BY_TOKEN}


@pytest.mark.parametrize("kind", [*USERS, *WITH_ONE_PERMISSION])
def test_who_may_do_what_with_a_token(kind: str) -> None:
    make_entity("task")
    client = client_of(USERS[kind]() if kind in USERS else make_user("somebody", kind))
    wrong = []
    for (method, pattern), allowed in BY_TOKEN.items():
        path = pattern.replace("<str:code>", "task")
        answer = client.generic(method, path) if method == "GET" else _send(client, method, path, BODIES.get(pattern))
        refused = answer.status_code == (
            401 if (kind == "anonymous" and pattern != "/token") or pattern == "/metrics" else 403
        )
        if method == "POST" and pattern.startswith("/api/v1/auth/"):
            refused = answer.status_code != 400  # it asks for what is needed, of everyone alike
        if refused is (kind in allowed):
            wrong.append((method, pattern, answer.status_code))
    assert wrong == []


def test_permission_comes_before_existence() -> None:
    """Whoever may not write learns nothing about codes by trying."""
    client = client_of(make_user())
    assert client.patch("/api/v1/entity/nowhere", {}).status_code == 403
    assert client.delete("/api/v1/entity/nowhere").status_code == 403


def _send(client: Any, method: str, path: str, body: Any) -> Any:
    return getattr(client, method.lower())(path, body)


@pytest.fixture
def urls() -> dict[str, str]:
    """Every address of the admin, about something that exists."""
    user, group = User.objects.create_user("somebody"), Group.objects.create(name="Editors")
    make_entity("project")
    rows: dict[str, Any] = {
        "entities_entity": "project",
        "entities_cacheoperation": CacheOperation.objects.create(operation="warm", subject="all").pk,
        "axes_accessattempt": AccessAttempt.objects.create(username="eve", failures_since_start=1).pk,
        "axes_accessfailurelog": AccessFailureLog.objects.create(username="eve").pk,
        "axes_accesslog": AccessLog.objects.create(username="ada").pk,
        "auth_user": user.pk,
        "auth_group": group.pk,
    }
    arguments: dict[str, list[Any]] = {
        "cache:entry": ["project"],
        "admin:entities_entity_undo": [EntityEvent.objects.get().pk],
        "cache:memories": ["project"],
        "admin:entities_entity_restore": ["project", EntityEvent.objects.get().pk],
        "admin:entities_entity_operate_cache": ["project", "warm"],
        "admin:auth_user_password_change": [user.pk],
        "admin:view_on_site": [ContentType.objects.get_for_model(User).pk, user.pk],
        "admin:app_list": ["entities"],
        **{
            f"admin:entities_entity_{page}": ["project"]
            for page in ("preview", "editors", "cache", "compare", "deactivate")
        },
        **{f"admin:{model}_{page}": [key] for model, key in rows.items() for page in ("change", "delete", "history")},
    }
    named = {name: reverse(name, args=arguments.get(name, [])) for name in BY_SESSION if "else" not in name}
    return named | {"admin:anything else": "/admin/nowhere"}


@pytest.mark.parametrize("kind", USERS)
def test_who_may_do_what_in_the_admin(kind: str, urls: dict[str, str]) -> None:
    user, client = USERS[kind](), Client()
    if user is not None:
        client.force_login(user)
    wrong = []
    for name, allowed in BY_SESSION.items():
        answers = [client.get(urls[name])]
        if kind not in allowed or answers[0].status_code == 405:
            answers.append(client.post(urls[name]))
        refusals = {_is_refusal(answer, kind) for answer in answers if answer.status_code != 405}
        if refusals != {kind not in allowed}:
            wrong.append((name, [answer.status_code for answer in answers]))
    assert wrong == []
    assert User.objects.filter(username="somebody").exists()
    assert not LogEntry.objects.exists(), "something was done by asking for it"


def _is_refusal(answer: Any, kind: str) -> bool:
    if kind in STAFF:
        return bool(answer.status_code == 403)
    return bool(answer.status_code == 302 and answer["Location"].startswith("/admin/login/?"))


def test_no_address_of_the_admin_takes_a_post_without_a_csrf_token(urls: dict[str, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    taken = [name for name in BY_SESSION if client.post(urls[name]).status_code != 403]
    assert taken == []


CHANGING = ("POST", "PUT", "PATCH", "DELETE")
METHODS = ("GET", "HEAD", "OPTIONS", *CHANGING, "TRACE", "PROPFIND", "get")
FOR_PROGRAMS = sorted({pattern.partition("?")[0].replace("<str:code>", "task") for _, pattern in BY_TOKEN})
ENTITY = "/api/v1/entity"


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


def test_no_address_of_the_admin_fails_at_what_no_browser_sends(urls: dict[str, str]) -> None:
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


@pytest.mark.parametrize("code", ["nowhere", "Project", "x" * 5000, "%00", "task%0A", "٣", "%ff%fe", "a%2Fb", "a-b"])
def test_a_code_that_is_none_is_found_nowhere(root: APIClient, code: str) -> None:
    for method, pattern in BY_TOKEN:
        if "<str:code>" in pattern and (code != "nowhere" or "cache" not in pattern):
            answer = root.generic(method, pattern.replace("<str:code>", code), "{}", "application/json")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), pattern
    admin = Client()
    admin.force_login(User.objects.get())
    pages = (f"entities/entity/{code}/history/", f"entities/entity/{code}/history/compare/", f"cache/entries/{code}/")
    for page in pages if code != "nowhere" else pages[:2]:
        assert admin.get(f"/admin/{page}").status_code == 404, page


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
