"""A real Chromium on pages that a real server of this project gives."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, WebError, expect, sync_playwright

from tests.admin.conftest import session_of
from tests.browser.chromium import launch_chromium
from tests.conftest import without_waiting
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
        kept = list(browser.contexts)
        yield browser
        for context in browser.contexts:
            if context not in kept:
                context.close()
        connections.close_all()


@pytest.fixture(scope="session")
def site(django_db_setup: None) -> Iterator[str]:
    """The URL of a server for all tests of this process, which reports its counts every second and relays nothing."""
    with web_server(CACHE_ANALYTICS_SECONDS="1", CACHE_RELAY="false") as url:
        yield url


@pytest.fixture(scope="session")
def kept_context(chromium: tuple[Browser, asyncio.AbstractEventLoop], site: str) -> BrowserContext:
    """What all tests of this process browse with: it has files of the site already, as a person's browser has."""
    browser, loop = chromium
    with running(loop):
        return browser.new_context(base_url=site)


@pytest.fixture
def staff_context(kept_context: BrowserContext, browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A superuser's browser; a script error on any of its pages fails the test."""
    context, errors = kept_context, list[str]()
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": log_in(), "url": site}])

    def note(error: WebError) -> None:
        errors.append(str(error.error))

    context.on("weberror", note)
    yield context
    context.remove_listener("weberror", note)
    context.set_offline(False)
    context.clear_cookies()
    for page in context.pages:
        stored = {"origin": site, "storageTypes": "local_storage"}
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", stored)
        page.close()
    assert errors == []


@pytest.fixture
def page(staff_context: BrowserContext) -> Page:
    return staff_context.new_page()


def log_in() -> str:
    """A new superuser's session key."""
    with without_waiting():
        return session_of(User.objects.create_superuser("root"))
