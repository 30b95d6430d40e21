"""The first page in a browser, on a desk in light and on a phone in dark."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, expect

from tests.browser.test_every_page import BEYOND, DESK, PHONE, Faults, grave_faults


@pytest.mark.parametrize("is_known", [False, True])
def test_it_is_accessible_and_makes_a_token_to_copy(staff_context: BrowserContext, site: str, is_known: bool) -> None:
    page = staff_context.new_page()
    if not is_known:
        page.context.clear_cookies()
    faults = Faults(page, site, expected=200)
    page.goto("/")
    if is_known:
        page.get_by_role("button", name="Make a token").click()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("status")).to_have_text(re.compile("Copied|Ctrl"))
        assert page.evaluate("getSelection().toString() || document.activeElement.value").count(".") == 2
    page.evaluate(AXE_SCRIPT)
    for size, scheme in ((DESK, "light"), (PHONE, "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of two
        faults += grave_faults(page, {})
        assert page.evaluate(BEYOND) == 0
    assert list(faults) == []
