"""Writes inside requests: ATOMIC_REQUESTS, and what rolls a request back."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

import pytest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from pytest_django.live_server_helper import LiveServer
from redis import Redis
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.memory.local_store import drop_all_copies
from tests.cache_layer.project import KEY, read, rename
from tests.threads import beside
from tests.waiting import BEFORE_HOLDS_LAPSE, wait_for

Ask = Callable[[Callable[..., Any]], int]

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


@pytest.fixture
def ask(committed_db: None, live_server: LiveServer) -> Ask:
    """Have a view answer one request to Django's own server, in a thread of its own; gives the status."""

    def answer(view: Callable[..., Any]) -> int:
        with override_settings(ROOT_URLCONF=(path("", view),)):
            try:
                with urllib.request.urlopen(live_server.url, timeout=10) as response:
                    return int(response.status)
            except HTTPError as error:
                with error:
                    return error.code

    return answer


def test_with_atomic_requests_a_write_is_held_until_the_request_has_committed(
    atomic_requests: None, ask: Ask, redis_client: Redis
) -> None:
    saved, look = threading.Event(), threading.Event()

    def view(request: HttpRequest) -> HttpResponse:
        rename()
        saved.set()
        assert look.wait(10)
        return HttpResponse()

    assert read() == ("Old", Source.REDIS)
    with beside(lambda: ask(view)) as status:
        assert saved.wait(10)
        drop_all_copies()  # until the COMMIT they may be used
        found, is_cached = read(), redis_client.exists(KEY)
        look.set()
        assert (found, is_cached, status.result()) == (("Old", Source.BYPASS), 0, 200)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert read() == ("New", Source.REDIS)


def test_with_atomic_requests_a_view_that_fails_leaves_the_old_value_and_no_hold(
    atomic_requests: None, ask: Ask, redis_client: Redis
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        rename("Never")
        raise RuntimeError("after the save")

    assert ask(view) == 500
    wait_for(lambda: not redis_client.exists(holds_key(KEY)), BEFORE_HOLDS_LAPSE)
    assert [read()[0], read()] == ["Old", ("Old", Source.LOCAL)]


def test_with_atomic_requests_a_refused_api_call_is_rolled_back_and_leaves_no_hold(
    atomic_requests: None, ask: Ask, redis_client: Redis
) -> None:
    """DRF answers 400 itself, so Django sees no exception: our exception handler must have it rolled back."""

    @api_view(["GET"])
    @authentication_classes([])
    @permission_classes([AllowAny])
    def view(request: Request) -> Response:
        rename("Never")
        raise ValidationError("after the save")

    assert ask(view) == 400
    wait_for(lambda: not redis_client.exists(holds_key(KEY)), BEFORE_HOLDS_LAPSE)
    assert read()[0] == "Old"


def test_with_atomic_requests_a_read_still_fills_the_cache(
    atomic_requests: None, ask: Ask, redis_client: Redis
) -> None:
    """Its transaction has written nothing, and each of its queries sees what is committed by then."""
    redis_client.flushdb()

    def view(request: HttpRequest) -> HttpResponse:
        assert transaction.get_connection().in_atomic_block
        assert read() == ("Old", Source.DATABASE)
        return HttpResponse()

    assert ask(view) == 200
    assert redis_client.exists(KEY) == 1
