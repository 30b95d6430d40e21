"""Who may do what: every endpoint for every kind of user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User

from entities.models import Entity
from tests.api.conftest import PROJECT, client_of, make_user
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("db", "quick_writes")

USERS: dict[str, Callable[[], User | None]] = {
    "nobody": lambda: None,
    "reader": lambda: make_user("reader"),
    "adder": lambda: make_user("adder", "add"),
    "changer": lambda: make_user("changer", "change"),
    "deleter": lambda: make_user("deleter", "delete"),
    "staff": lambda: make_user("staff", is_staff=True),
    "superuser": lambda: make_user("root", is_staff=True, is_superuser=True),
    "inactive": lambda: make_user("gone", is_superuser=True, is_active=False),
}
KNOWN = set(USERS) - {"nobody", "inactive"}


class Call(NamedTuple):
    method: str
    path: str
    allowed: set[str]
    status: int = 200
    body: Any = None


CALLS = {
    "read one": Call("get", "type/task", KNOWN),
    "read an inactive one": Call("get", "type/task?include_inactive=true", KNOWN),
    "read the head of one": Call("head", "type/task", KNOWN),
    "read all": Call("get", "types", KNOWN),
    "create": Call("post", "", {"adder", "superuser"}, 201, PROJECT),
    "change": Call("patch", "task", {"changer", "superuser"}, 200, {"label": "New"}),
    "change children": Call("put", "task/children", {"changer", "superuser"}, 200, {"child_entity_codes": ["task"]}),
    "deactivate": Call("delete", "task", {"deleter", "superuser"}),
    "deactivate and detach": Call("delete", "task?detach=true", {"deleter", "superuser"}),
    "purge": Call("delete", "task?purge=true", {"deleter", "superuser"}, 204),
    "clear the cache": Call("delete", "cache", {"staff", "superuser"}),
    "invalidate": Call("delete", "cache/task", {"staff", "superuser"}),
}


@pytest.mark.parametrize("who", USERS)
def test_who_may_do_what(who: str, subtests: pytest.Subtests) -> None:
    client = client_of(USERS[who]())
    for what, call in CALLS.items():
        Entity.objects.all().delete()
        make_entity("task")
        answer = getattr(client, call.method)(f"/api/v1/entity/{call.path}".rstrip("/"), call.body)
        with subtests.test(what):
            if who in call.allowed:
                assert answer.status_code == call.status
            elif who in KNOWN:
                assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
            else:
                assert answer.status_code == 401
                assert answer["WWW-Authenticate"].startswith("Bearer")


def test_permission_comes_before_existence() -> None:
    """Whoever may not write learns nothing about codes by trying."""
    client = client_of(make_user())
    assert client.patch("/api/v1/entity/nowhere", {}).status_code == 403
    assert client.delete("/api/v1/entity/nowhere").status_code == 403
