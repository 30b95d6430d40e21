"""The history as people use it: two versions are chosen by keyboard and compared, and one is restored."""

from playwright.sync_api import Page, expect

from entities.changes import change_entity
from tests.conftest import make_entity


def test_two_versions_are_compared_by_keyboard_and_the_first_restored(page: Page) -> None:
    make_entity("ledger", label="Ledger", icon="BookOpen")
    change_entity("ledger", {"label": "Account book"})
    change_entity("ledger", {"icon": "Notebook"})
    page.goto("/admin/entities/entity/ledger/change/")
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
    page.get_by_role("link", name="Restore version 1").click()
    page.get_by_role("button", name="Restore version 1").click()
    expect(page.get_by_text("Ledger was restored to version 1")).to_be_visible()
    expect(page.get_by_label("Version 4 as the newer")).to_be_checked()
