"""What people without a mouse, or without eyes for icons, have on every page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from entities.models import Entity
from tests.browser.pages import CHANGE, DASHBOARD, LIST, MAP
from tests.conftest import make_entity

ICON_NAMES = """() => [...document.querySelectorAll(".material-symbols-outlined")]
    .filter(each => each.checkVisibility() && !each.closest("[aria-hidden=true]") && !each.ariaLabel)
    .map(each => each.outerHTML)"""


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    make_entity("project")


@pytest.mark.parametrize("address", ["/admin/", LIST, CHANGE, MAP, DASHBOARD])
def test_the_first_tab_skips_the_menu_and_no_icon_is_read_by_its_name(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Menu")).to_be_attached()
    expect(page.get_by_role("banner")).to_be_visible()
    assert page.evaluate(ICON_NAMES) == []
    expect(page.get_by_role("link", name="Map", exact=True).first).to_be_attached()


def test_control_s_saves_the_form_and_nothing_where_nothing_is_to_be_saved(page: Page) -> None:
    page.goto(CHANGE)
    page.locator("#id_label").fill("Venture")
    with page.expect_navigation():
        page.keyboard.press("Control+s")
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_visible()
    assert Entity.objects.get().label == "Venture"
    page.keyboard.press("Control+s")
    expect(page).to_have_url(re.compile(f"{LIST}$"))


def test_on_a_phone_save_is_in_reach_and_first(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(CHANGE)
    save = page.get_by_role("button", name="Save", exact=True)
    expect(save).to_be_in_viewport(ratio=1)
    left = [button.bounding_box() for button in (save, page.get_by_role("link", name="Delete entity type"))]
    assert left[0] is not None
    assert left[1] is not None
    assert left[0]["x"] < 60 < left[1]["x"]
