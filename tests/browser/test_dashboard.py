"""The cache dashboard as operators use it: figures that move by themselves, and acts that say what they did."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Request, expect
from redis import Redis

from entities.cache.entries import drop_all_entries
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure
from tests.admin.conftest import session_of
from tests.conftest import make_types
from tests.dashboard.conftest import staff_with
from tests.servers import web_server
from tests.waiting import wait_for

DASHBOARD, ENTRIES = "/admin/cache/", "/admin/cache/entries/"
SEE_STEPS = """
    window.steps = [];
    const bar = document.querySelector("progress");
    const look = records => window.steps.push(...records.map(({oldValue}) => Number(oldValue)), bar.value);
    new MutationObserver(look).observe(bar, {attributeFilter: ["value"], attributeOldValue: true});
"""
"""Every value that the progress bar had, in a page's `steps`, however many a busy browser sets at once."""


def log_in(browser: Browser, site: str, user: User) -> Page:
    """A page of this user's browser."""
    context = browser.new_context(base_url=site)
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": site}])
    return context.new_page()


@pytest.fixture
def operator(browser: Browser, site: str) -> Iterator[Page]:
    """An operator's page; a script error fails the test."""
    page = log_in(browser, site, staff_with("olga", "view_cache", "operate_cache"))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []


def cache_types(number: int) -> None:
    """Cached ones; the server must have connected before, since its first connection purges what it finds."""
    make_types(number)
    for each in range(number):
        get_entity_infrastructure().get_entity(f"type_{each}")


def test_clearing_all_asks_first_and_says_what_was_dropped(operator: Page, redis_client: Redis) -> None:
    operator.goto(DASHBOARD)
    operator.get_by_role("button", name="What is “Hit ratio”?").click()
    expect(operator.get_by_text("The share of entity type reads on all servers")).to_be_visible()
    cache_types(3)
    operator.get_by_label("Reason").fill("a rehearsal")
    operator.get_by_role("button", name="Clear all").click()
    dialog = operator.get_by_role("dialog")
    expect(dialog).to_contain_text("4 cached values will be dropped.")
    operator.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert len(list(redis_client.scan_iter("entity:metadata:*"))) == 3

    operator.get_by_role("button", name="Clear all").click()
    dialog.get_by_role("button", name="Clear all").click()
    expect(operator.get_by_role("status")).to_have_text("Done: 4 cached values dropped.")
    assert list(redis_client.scan_iter("entity:metadata:*")) == []
    row = CacheOperation.objects.get()
    assert (row.username, row.operation, row.reason, row.result) == (
        "olga",
        "clear",
        "a rehearsal",
        "4 cached values dropped",
    )
    expect(operator.locator("[data-live=operations] tbody tr").first).to_contain_text("a rehearsal")


def test_warming_all_shows_progress_that_moves(operator: Page) -> None:
    make_types(1000)
    operator.goto(ENTRIES)
    operator.evaluate(SEE_STEPS)
    operator.get_by_role("button", name="Warm all").click()
    expect(operator.get_by_role("status")).to_have_text("Done: 1000 filled, 0 already cached, 0 not cacheable.")
    steps = operator.evaluate("window.steps")
    assert steps == sorted(steps)
    assert {200, 400, 600, 800} <= set(steps)
    expect(operator.locator("tbody .cache-kind").first).to_have_text("cached")


def test_cancelling_breaks_off_and_is_logged(operator: Page) -> None:
    make_types(8000)
    operator.goto(ENTRIES)
    operator.evaluate(
        "new MutationObserver(() => document.querySelector('progress').value >= 200"
        " && document.querySelector('[data-cancel]').click())"
        ".observe(document.querySelector('progress'), {attributes: true})"
    )
    operator.get_by_role("button", name="Warm all").click()
    expect(operator.get_by_role("status")).to_contain_text("Cancelled.")
    wait_for(CacheOperation.objects.exists, seconds=20)  # the server notices at its next line
    operator.goto("/admin/entities/cacheoperation/")
    expect(operator.get_by_text("broken off after")).to_be_visible()


def test_selected_entries_are_invalidated_by_keyboard(operator: Page, redis_client: Redis) -> None:
    operator.goto(ENTRIES)
    cache_types(3)
    operator.reload()
    button = operator.get_by_role("button", name="Invalidate selected")
    expect(button).to_be_disabled()
    operator.get_by_label("Select type_1", exact=True).focus()
    operator.keyboard.press("Space")
    button.focus()
    operator.keyboard.press("Enter")
    expect(operator.get_by_role("status")).to_have_text("Done: 1 cached value dropped.")
    assert redis_client.get("entity:metadata:type_1") is None
    assert redis_client.get("entity:metadata:type_0") is not None
    expect(operator.get_by_label("Select type_1", exact=True)).to_be_checked()


def test_by_tag_everything_inside_is_invalidated(operator: Page, redis_client: Redis) -> None:
    operator.goto(DASHBOARD)
    cache_types(3)
    Entity.objects.filter(code="type_0").update(child_entity_codes=["type_1"])
    button = operator.get_by_role("button", name="Invalidate by tag")
    expect(button).to_be_disabled()
    operator.get_by_role("textbox", name="Tag").fill("under:type_9")
    button.click()
    expect(operator.get_by_role("status")).to_have_text("There is no entity type type_9.")
    operator.get_by_role("textbox", name="Tag").fill("under:type_0")
    button.click()
    expect(operator.get_by_role("status")).to_have_text("Done: 2 cached values dropped.")
    assert redis_client.keys("entity:metadata:*") == [b"entity:metadata:type_2"]
    expect(operator.locator("[data-live=operations] tbody tr").first).to_contain_text("under:type_0 (type_0, type_1)")


def test_one_entry_is_warmed_and_its_page_shows_it(operator: Page) -> None:
    make_types(1)
    drop_all_entries()
    operator.goto("/admin/cache/entries/type_0/")
    expect(operator.get_by_text("Nothing is cached: the next reader")).to_be_visible()
    expect(operator.get_by_text("X-Cache: DB")).to_be_visible()
    server = operator.locator("[data-live=memories] tr").first
    expect(server).to_contain_text("(this one)")
    operator.get_by_role("button", name="Warm", exact=True).click()
    expect(operator.get_by_role("status")).to_have_text("Done: 1 filled, 0 already cached, 0 not cacheable.")
    expect(operator.get_by_text("The bytes in Redis are the same")).to_be_visible()


def test_figures_change_by_themselves_after_reads(browser: Browser) -> None:
    database_of_its_own = str(int(os.environ["REDIS_DB"]) + 8)  # where no other server of the tests reports
    with web_server(CACHE_ANALYTICS_SECONDS="1", REDIS_DB=database_of_its_own) as site:
        operator = log_in(browser, site, staff_with("olga", "view_cache", "operate_cache"))
        operator.goto(DASHBOARD)
        loads: list[Request] = []
        operator.on("request", lambda request: loads.append(request) if request.is_navigation_request() else None)
        expect(operator.get_by_text("No reads counted yet")).to_be_visible()
        make_types(1)
        operator.get_by_role("button", name="Warm all").click()
        expect(operator.get_by_text("No reads counted yet")).to_have_count(0)
        expect(operator.locator("[data-live=hit_hour]")).not_to_have_text("-")
        assert loads == []


def test_a_server_that_is_gone_is_told(operator: Page) -> None:
    operator.clock.install()
    operator.goto(DASHBOARD)
    operator.route("**/figures/**", lambda route: route.abort())
    operator.clock.run_for(6_000)
    expect(operator.locator("[data-lost]")).to_contain_text("Lost contact with the server")
    operator.unroute("**/figures/**")
    operator.clock.run_for(10_500)
    expect(operator.locator("[data-lost]")).to_be_hidden()
