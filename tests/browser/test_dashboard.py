"""The cache dashboard as operators use it: figures that move by themselves, and operations that say what they did."""

import re
import time

from playwright.sync_api import Page, expect
from redis import Redis

from cache_layer import CoherentLookup
from cache_layer.keys import totals_key
from entities.models import CacheOperation
from entities.services import get_entity_infrastructure
from tests.conftest import make_entity, make_types
from tests.waiting import wait_for

DASHBOARD, ENTRIES = "/admin/cache/", "/admin/cache/entries/"
SEE_STEPS = """
    window.steps = [];
    const bar = document.querySelector("progress");
    const look = records => window.steps.push(...records.map(({oldValue}) => Number(oldValue)), bar.value);
    new MutationObserver(look).observe(bar, {attributeFilter: ["value"], attributeOldValue: true});
"""
"""Every value that the progress bar had, in a page's `steps`, however many a busy browser sets at once."""


def cache_types(number: int) -> None:
    """Cached ones; the server must have connected before, since its first connection purges what it finds."""
    make_types(number)
    for each in range(number):
        get_entity_infrastructure().get_entity(f"type_{each}")


def test_clearing_all_asks_first_and_says_what_was_dropped(page: Page, redis_client: Redis) -> None:
    page.goto(DASHBOARD)
    page.get_by_role("button", name="What is “Hit ratio”?").click()
    expect(page.get_by_text("The share of entity type reads on all servers")).to_be_visible()
    cache_types(3)
    by_tag = page.get_by_role("button", name="Invalidate by tag")
    expect(by_tag).to_be_disabled()
    page.get_by_role("textbox", name="Tag").fill("under:type_9")
    by_tag.click()
    expect(page.get_by_role("status")).to_have_text("There is no entity type type_9.")
    page.get_by_label("Reason").fill("a rehearsal")
    page.get_by_role("button", name="Clear all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 cached values will be dropped.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert len(list(redis_client.scan_iter("entity:metadata:*"))) == 3

    page.get_by_role("button", name="Clear all").click()
    dialog.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("status")).to_have_text("Done: 3 cached values dropped.")
    expect(dialog).to_be_hidden()
    assert list(redis_client.scan_iter("entity:metadata:*")) == []
    row = CacheOperation.objects.get()
    assert (row.username, row.operation, row.reason, row.result) == (
        "root",
        "clear",
        "a rehearsal",
        "3 cached values dropped",
    )
    expect(page.get_by_role("region", name="Last in the audit log").locator("tbody tr").first).to_contain_text(
        "a rehearsal"
    )


def test_warming_all_shows_progress_that_moves(page: Page) -> None:
    make_types(1000)
    page.goto(ENTRIES)
    page.evaluate(SEE_STEPS)
    page.get_by_role("button", name="Warm all").click()
    expect(page.get_by_role("status")).to_have_text("Done: 1000 filled, 0 already cached, 0 not cacheable.")
    steps = page.evaluate("window.steps")
    assert steps == sorted(steps)
    assert {200, 400, 600, 800} <= set(steps)
    expect(page.locator("tbody .cache-kind").first).to_have_text("cached")


def test_cancelling_breaks_off_and_is_logged(page: Page) -> None:
    make_types(8000)
    page.goto(ENTRIES)
    page.evaluate(
        "new MutationObserver(() => document.querySelector('progress').value >= 200"
        " && document.querySelector('[data-cancel]').click())"
        ".observe(document.querySelector('progress'), {attributes: true})"
    )
    page.get_by_role("button", name="Warm all").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled.")
    wait_for(CacheOperation.objects.exists, seconds=20)  # the server notices at its next line
    page.goto("/admin/entities/cacheoperation/")
    expect(page.get_by_text("broken off after")).to_be_visible()


def test_selected_entries_are_invalidated_by_keyboard(page: Page, redis_client: Redis) -> None:
    page.goto(ENTRIES)
    cache_types(3)
    page.reload()
    button = page.get_by_role("button", name="Invalidate selected")
    expect(button).to_be_disabled()
    page.get_by_label("Select type_1", exact=True).focus()
    page.keyboard.press("Space")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done: 1 cached value dropped.")
    assert redis_client.get("entity:metadata:type_1") is None
    assert redis_client.get("entity:metadata:type_0") is not None
    expect(page.get_by_label("Select type_1", exact=True)).to_be_checked()


def test_one_entry_is_warmed_and_its_page_shows_it(page: Page) -> None:
    make_types(1)
    CoherentLookup.clear_all()
    page.goto("/admin/cache/entries/type_0/")
    expect(page.get_by_text("Nothing is cached: the next reader")).to_be_visible()
    expect(page.get_by_text("X-Cache: DB")).to_be_visible()
    expect(page.get_by_role("region", name="Who has which copy now")).to_contain_text("(this one)")
    expect(page.get_by_text("and that time is over")).to_be_visible()
    page.get_by_role("button", name="Warm", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Done: 1 filled, 0 already cached, 0 not cacheable.")
    expect(page.get_by_text("The bytes in Redis are the same")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Done:")


def test_a_server_that_is_gone_is_told(page: Page) -> None:
    page.clock.install()
    page.goto(DASHBOARD)
    page.route("**/figures/**", lambda route: route.abort())
    page.clock.run_for(6_000)
    expect(page.locator("[data-lost]")).to_contain_text("Lost contact with the server")
    page.unroute("**/figures/**")
    page.clock.run_for(10_500)
    expect(page.locator("[data-lost]")).to_be_hidden()


def test_a_refresh_keeps_what_people_have_typed_selected_opened_and_focused(page: Page, redis_client: Redis) -> None:
    page.goto(ENTRIES)
    cache_types(2)
    page.reload()
    page.get_by_label("Select type_1", exact=True).check()
    page.get_by_label("Reason").fill("half a sen")
    redis_client.delete("entity:metadata:type_0")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#entry-type_0 .cache-kind")).to_have_text("not cached")
    expect(page.get_by_label("Select type_1", exact=True)).to_be_checked()
    expect(page.get_by_label("Reason")).to_be_focused()

    redis_client.hset(totals_key(60, time.time() - 60), mapping={"reports": 1, "reads:L1": 60})
    page.goto(DASHBOARD)
    page.get_by_text("As a table").first.click()
    page.get_by_label("Reason").fill("half a sen")
    make_entity("project")
    expect(page.get_by_text("of 3 active entity types")).to_be_visible()
    expect(page.get_by_role("region", name="Reads a second, as a table").locator("tbody tr").first).to_be_visible()
    expect(page.locator("canvas").first).to_have_attribute("width", re.compile("[1-9]"))
    expect(page.get_by_label("Reason")).to_be_focused()
    expect(page.get_by_label("Reason")).to_have_value("half a sen")


def test_a_page_of_somebody_else_is_not_shown_as_the_dashboard(page: Page) -> None:
    page.goto(DASHBOARD)
    page.route("**/figures/**", lambda route: route.fulfill(body="<p>Accept the terms of this network</p>"))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("Lost contact with the server (it did not answer with the page)")).to_be_visible()
    expect(page.get_by_text("Hit ratio", exact=True)).to_be_visible()
