"""The history as people use it: two versions are compared and one is restored, by keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from entities.changes import change_entity
from entities.services import get_entity_infrastructure
from tests.conftest import make_entity

CHANGE = "/admin/entities/entity/ledger/change/"


def press_until_focused(page: Page, key: str, name: str, role: str) -> None:
    """Go with `key` to the link or button of this name."""
    for _ in range(60):
        page.keyboard.press(key)
        focused = page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')")
        if focused == name:
            expect(page.get_by_role(role, name=name)).to_be_focused()  # type: ignore[arg-type]
            return
    raise AssertionError(f"{key} does not lead to {name!r}")


def test_two_versions_are_compared_and_the_first_restored_by_keyboard(page: Page) -> None:
    make_entity("ledger", label="Ledger", icon="BookOpen")
    page.goto(CHANGE)
    page.locator("#id_label").fill("Account book")  # its plural follows
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    change_entity("ledger", {"icon": "Notebook"})

    page.goto(CHANGE)
    page.locator('a[href="/admin/entities/entity/ledger/history/"]').click()
    expect(page.get_by_role("heading", name="History of ledger")).to_be_visible()
    older, newer = (page.get_by_label(f"Version {number} as the {age}") for number, age in ((2, "older"), (3, "newer")))
    expect(older).to_be_checked()
    expect(newer).to_be_checked()
    expect(page.get_by_label("Version 3 as the older")).to_be_disabled()

    older.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Version 1 as the older")).to_be_checked()
    expect(page.get_by_label("Version 2 as the newer")).to_be_enabled()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Versions 1 and 3 of ledger")).to_be_visible()
    expect(page.get_by_role("row", name="Label differs Ledger Account book")).to_be_visible()
    expect(page.get_by_role("row", name="Icon differs BookOpen Notebook")).to_be_visible()
    expect(page.locator(".history-line-removed").first).to_contain_text('"label": "Ledger",')

    press_until_focused(page, "Tab", "Restore version 1", "link")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 fields will change")).to_be_visible()
    press_until_focused(page, "Tab", "Restore version 1", "button")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Ledger was restored to version 1")).to_be_visible()
    expect(page.get_by_label("Version 4 as the newer")).to_be_checked()
    document = get_entity_infrastructure().get_entity("ledger")
    assert document is not None
    assert (document.label, document.icon) == ("Ledger", "BookOpen")
