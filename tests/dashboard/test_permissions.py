"""Looking needs one permission and operating another; nothing is done by a GET or without a token."""

from __future__ import annotations

import pytest
from django.test import Client
from redis import Redis

from entities.models import CacheOperation
from tests.admin.conftest import staff_client
from tests.conftest import make_entity
from tests.dashboard.conftest import ACT, DASHBOARD, ENTRIES, FIGURES, KEY, VALUES, act, entry_url, send, staff_with

LOOKING = [DASHBOARD, FIGURES, ENTRIES, VALUES, entry_url("project")]
OPERATIONS = ("invalidate", "warm", "clear", "audit")


@pytest.mark.parametrize("url", LOOKING)
def test_looking_needs_the_permission_to_view(viewer: Client, url: str) -> None:
    assert viewer.get(url).status_code == 200
    assert staff_client(staff_with("nobody")).get(url).status_code == 403
    assert staff_client(staff_with("only", "operate_cache")).get(url).status_code == 403


@pytest.mark.parametrize("operation", OPERATIONS)
def test_who_may_only_look_can_do_nothing(viewer: Client, redis_client: Redis, operation: str) -> None:
    redis_client.set(KEY, "x")
    assert send(viewer, operation).status_code == 403
    assert redis_client.get(KEY) == b"x"
    assert not CacheOperation.objects.exists()


@pytest.mark.parametrize("url", [DASHBOARD, ENTRIES, entry_url("project")])
def test_who_may_only_look_sees_no_buttons(viewer: Client, operator: Client, url: str) -> None:
    make_entity("project")
    assert 'data-operation="' not in viewer.get(url).content.decode()
    assert 'data-operation="' in operator.get(url).content.decode()


def test_a_get_does_nothing(operator: Client) -> None:
    assert operator.get(ACT, {"operation": "clear", "everything": "on"}).status_code == 405
    assert not CacheOperation.objects.exists()


def test_without_a_csrf_token_nothing_is_done(committed_db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff_with("olga", "view_cache", "operate_cache"))
    assert send(client, "clear").status_code == 403
    assert not CacheOperation.objects.exists()


@pytest.mark.parametrize("url", LOOKING)
def test_looking_is_not_posting(operator: Client, url: str) -> None:
    assert operator.post(url).status_code == 405


def test_the_menu_has_the_cache_for_those_who_may_look(viewer: Client) -> None:
    assert DASHBOARD in viewer.get("/admin/").content.decode()
    assert DASHBOARD not in staff_client(staff_with("nobody", "view_entity")).get("/admin/").content.decode()


def test_operators_operate(operator: Client) -> None:
    assert act(operator, "clear")[-1]["finished"]
