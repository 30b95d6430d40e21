"""A real Chromium on pages that a real server of this project gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.cached_db import SessionStore
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.chromium import launch_chromium
from tests.servers import web_server


@pytest.fixture
def browser(committed_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    # Playwright runs an event loop in this thread. Django would refuse to use the database beside it, and keeps other
    # connections there than without, which are closed before the loop ends.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()
        connections.close_all()


@pytest.fixture(scope="session")
def site(django_db_setup: None) -> Iterator[str]:
    """The URL of a server for all tests of this process; its counts are reported every second."""
    with web_server(CACHE_ANALYTICS_SECONDS="1") as url:
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
