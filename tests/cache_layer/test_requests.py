"""Writes inside requests: ATOMIC_REQUESTS, what rolls a request back, and asynchronous views."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from redis import Redis
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.memory import pending
from tests.cache_layer.project import KEY, read, rename

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


def ask(view: Callable[..., Any]) -> int:
    """Have a view answer one request; gives the status."""
    with override_settings(ROOT_URLCONF=(path("", view),)):
        return Client(raise_request_exception=False).get("/").status_code


def test_with_atomic_requests_a_refused_api_call_is_rolled_back_and_leaves_no_hold(
    atomic_requests: None, redis_client: Redis
) -> None:
    """DRF answers 400 itself, so Django sees no exception: our exception handler must have it rolled back."""

    @api_view(["GET"])
    @authentication_classes([])
    @permission_classes([AllowAny])
    def view(request: Request) -> Response:
        rename("Never")
        raise ValidationError("after the save")

    assert ask(view) == 400
    assert redis_client.exists(holds_key(KEY)) == 0
    assert read()[0] == "Old"


def test_with_atomic_requests_a_read_still_fills_the_cache(atomic_requests: None, redis_client: Redis) -> None:
    """Its transaction has written nothing, and each of its queries sees what is committed by then."""
    redis_client.delete(KEY)

    def view(request: HttpRequest) -> HttpResponse:
        assert transaction.get_connection().in_atomic_block
        assert read() == ("Old", Source.DATABASE)
        return HttpResponse()

    assert ask(view) == 200
    assert redis_client.exists(KEY) == 1


# --- Asynchronous views: what they write through `sync_to_async` is held and released in the thread that does it ------


def run_async(*views: Callable[..., Any]) -> list[int]:
    """Answer one request of each view at once, in one event loop and as an ASGI server would; gives the statuses."""
    patterns = tuple(path(str(number), view) for number, view in enumerate(views))

    async def answer(number: int) -> int:
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/{number}",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        server: Any = ApplicationCommunicator(ASGIHandler(), scope)  # type: ignore[no-untyped-call] # asgiref has no types
        await server.send_input({"type": "http.request"})
        status = (await server.receive_output(timeout=10))["status"]
        await server.receive_output(timeout=10)
        await server.wait(timeout=10)
        return int(status)

    async def answer_all() -> list[int]:
        return await asyncio.gather(*(answer(number) for number in range(len(views))))

    with override_settings(ROOT_URLCONF=patterns):
        return asyncio.run(answer_all())


def test_an_async_view_that_was_rolled_back_leaves_no_hold(redis_client: Redis) -> None:
    def fail() -> None:
        with transaction.atomic():
            rename("Never")
            raise RuntimeError

    async def view(request: HttpRequest) -> HttpResponse:
        with pytest.raises(RuntimeError):
            await sync_to_async(fail)()
        assert redis_client.exists(holds_key(KEY)) == 1
        return HttpResponse()

    assert run_async(view) == [200]
    assert redis_client.exists(holds_key(KEY)) == 0
    assert read()[0] == "Old"


def test_async_views_in_one_event_loop_do_not_see_each_others_uncommitted_rows(redis_client: Redis) -> None:
    saved, seen = threading.Event(), threading.Event()

    def save_slowly() -> None:
        with transaction.atomic():
            rename()
            saved.set()
            assert seen.wait(10)
            assert read()[0] == "New"

    async def writing(request: HttpRequest) -> HttpResponse:
        await sync_to_async(save_slowly)()
        return HttpResponse()

    def read_meanwhile() -> tuple[str, Source, bool]:
        assert saved.wait(10)
        return *read(), pending.is_ours(KEY)

    async def reading(request: HttpRequest) -> HttpResponse:
        assert await sync_to_async(read_meanwhile)() == ("Old", Source.BYPASS, False)
        seen.set()
        return HttpResponse()

    assert run_async(writing, reading) == [200, 200]
    assert redis_client.exists(holds_key(KEY)) == 0
    assert read() == ("New", Source.REDIS)
