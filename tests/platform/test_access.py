"""Who may open what: every address of the platform, asked by every kind of user; one that has no line here fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from entities.models import CacheOperation, EntityEvent
from tests.api.conftest import PROJECT, client_of, make_user
from tests.conftest import make_entity
from tests.dashboard.conftest import staff_with

pytestmark = pytest.mark.django_db

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
EVERYONE = set(USERS)
KNOWN = EVERYONE - {"anonymous"}
STAFF = KNOWN - {"reader"}
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
    ("POST", "/api/v1/entity"): EDITORS,
    ("GET", "/api/v1/entity/types"): KNOWN,
    ("GET", "/api/v1/entity/type"): KNOWN,  # the same
    ("GET", "/api/v1/entity/type/<str:code>"): KNOWN,
    ("DELETE", "/api/v1/entity/cache"): STAFF,
    ("DELETE", "/api/v1/entity/cache/<str:code>"): STAFF,
    ("PATCH", "/api/v1/entity/<str:code>"): EDITORS,
    ("DELETE", "/api/v1/entity/<str:code>"): EDITORS,
    ("PUT", "/api/v1/entity/<str:code>/children"): EDITORS,
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
    (OPERATORS, "cache", "act"),
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
    assert by_token == {pattern for _, pattern in BY_TOKEN}


@pytest.mark.parametrize("kind", USERS)
def test_who_may_do_what_with_a_token(kind: str, set_options: Callable[..., None]) -> None:
    set_options(local_lease_ms=1)
    make_entity("task")
    client = client_of(USERS[kind]())
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
def test_who_may_do_what_in_the_admin(kind: str, urls: dict[str, str], set_options: Callable[..., None]) -> None:
    set_options(local_lease_ms=1)
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
