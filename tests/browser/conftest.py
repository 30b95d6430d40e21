"""A real Chromium on pages that a real server of this project gives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.cached_db import SessionStore
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.chromium import launch_chromium
from tests.servers import web_server

expect.set_options(timeout=20_000)  # a busy machine may take its time


@pytest.fixture(scope="session")
def chromium() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """Debian's Chromium, headless, for all tests of this process; and Playwright's event loop in this thread."""
    with sync_playwright() as playwright:
        browser, loop = launch_chromium(playwright), asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield browser, loop
        asyncio._set_running_loop(loop)
        browser.close()


@contextlib.contextmanager
def running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """
    Let this thread's event loop be seen while the block runs.

    Playwright marks it as running after each call, for as long as Chromium is there. Beside it Django would refuse to
    use the database and keeps other connections than without, and other tests could start no loop.
    """
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


@pytest.fixture
def browser(
    chromium: tuple[Browser, asyncio.AbstractEventLoop], committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Browser]:
    """Chromium without anything that another test left in it."""
    browser, loop = chromium
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with running(loop):
        yield browser
        for context in browser.contexts:
            context.close()
        connections.close_all()


@pytest.fixture(scope="session")
def site(django_db_setup: None) -> Iterator[str]:
    """The URL of a server for all tests of this process, which reports its counts every second and relays nothing."""
    with web_server(CACHE_ANALYTICS_SECONDS="1", CACHE_RELAY="false") as url:
        yield url


@pytest.fixture
def staff_context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A superuser's browser; a script error on any of its pages fails the test."""
    context = browser.new_context(base_url=site)
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": log_in(), "url": site}])
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def page(staff_context: BrowserContext) -> Page:
    return staff_context.new_page()


def log_in() -> str:
    """A new superuser's session key."""
    user = User.objects.create_superuser("root")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)
