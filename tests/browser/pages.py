"""Every page of the admin, and how to get there."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from entities.admin.form.editors import note_editor
from entities.changes import change_entity
from entities.lookups import ENTITY

ADMIN, LIST = "/admin/", "/admin/entities/entity/"
CHANGE, HISTORY, MAP = f"{LIST}project/change/", f"{LIST}project/history/", f"{LIST}map/"
DASHBOARD, ENTRIES, ENTRY = "/admin/cache/", "/admin/cache/entries/", "/admin/cache/entries/project/"
LOG = "/admin/entities/cacheoperation/"


@dataclass(frozen=True)
class Visit:
    """
    A page, or a state of one.

    Attributes:
        then: what is done on the page.
        status: which answer of 400 or more it has.
        stranger: seen by somebody who is not logged in.
    """

    name: str
    address: str
    then: Callable[[Page], object] = lambda _: None
    status: int = 200
    stranger: bool = False


def press(name: str) -> Callable[[Page], None]:
    """Press the button of this name, and wait for the page it leads to."""

    def then(page: Page) -> None:
        with page.expect_navigation():
            page.get_by_role("button", name=name, exact=True).click()

    return then


def ask_to_hide(page: Page) -> None:
    page.get_by_role("switch", name="Task is active").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 entity type lists it as a child.")


def switch_off(page: Page) -> None:
    page.locator("#id_active_flag").click(force=True)
    expect(page.get_by_text("will become inactive")).to_be_visible()


def with_another_editor(page: Page) -> None:
    note_editor("project", User.objects.create_user("ann"))
    page.reload()
    expect(page.get_by_text("has this form open too.")).to_be_visible()


def save_and_see(page: Page) -> None:
    page.locator("#id_label").fill(f"{page.locator('#id_label').input_value()}s")
    press("Save")(page)
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_visible()


def undo_what_was_changed_since(page: Page) -> None:
    save_and_see(page)
    change_entity("project", {"label": "Venture"})
    press("Undo")(page)
    expect(page.get_by_text("Changed again since: Label.")).to_be_visible()


def open_filters(page: Page) -> None:
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#changelist-filter")).to_be_visible()


def move_a_row(page: Page) -> None:
    page.get_by_role("button", name="Move Wiki").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".entity-order-note")).to_contain_text("Wiki is now at place")


def save_with_errors(page: Page) -> None:
    page.locator("#id_icon").fill("nope")
    page.locator("#id_label").fill(" ")
    press("Save")(page)
    expect(page.get_by_text("Please correct the errors below.").first).to_be_visible()


def save_after_somebody_else(page: Page) -> None:
    page.locator("#id_label").fill("Enterprise")
    change_entity("project", {"label": "Undertaking"})
    press("Save")(page)
    expect(page.get_by_role("heading", name="Somebody else changed this while you edited it")).to_be_visible()
    change_entity("project", {"label": "Venture"})


def choose_icon(page: Page) -> None:
    page.get_by_role("button", name="Choose an icon").click()
    expect(page.get_by_role("option").first).to_be_visible()


def choose_child(page: Page) -> None:
    page.get_by_label("Entity type to add as a child").fill("o")
    expect(page.get_by_role("option").first).to_be_visible()


def show_table(page: Page) -> None:
    page.get_by_text("The same as a table").click()


def restore(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("link", name="Restore").first.click()


def preview_import(page: Page) -> None:
    wrong = {"code": "bug", "icon": "nope"}
    upload(page, {"code": "task", "label": "Job"}, {"code": "risk", "label": "Risk", "icon": "Flag"}, wrong)
    expect(page.locator("ins")).to_have_text(["Job"])


def preview_mistakes(page: Page) -> None:
    upload(page, {"code": "task", "icon": "nope"})
    expect(page.get_by_text("Nothing can be imported until")).to_be_visible()


def upload(page: Page, *rows: dict[str, str]) -> None:
    content = json.dumps(rows).encode()
    page.locator("input[type=file]").set_input_files(
        {"name": "types.json", "mimeType": "application/json", "buffer": content}
    )
    press("Show the differences")(page)


def run(action: str) -> Callable[[Page], None]:
    """Choose an action for the first rows of the list."""

    def then(page: Page) -> None:
        for code in ("task", "wiki"):
            page.locator("tr", has=page.locator(f"#switch-{code}")).get_by_role("checkbox").check()
        page.locator("select[name=action]").select_option(action)
        press("Run")(page)

    return then


def warm_and_look_again(page: Page) -> None:
    ENTITY.read_many(["form", "project"])
    page.reload()
    expect(page.locator(".cache-kind").first).to_have_text("cached")


def ask_to_clear(page: Page) -> None:
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_role("dialog")).to_contain_text("will be dropped.")


def fail_to_log_in(page: Page) -> None:
    page.fill("#id_username", "x")
    page.fill("#id_password", "y")
    press("Log in")(page)


def look_at_first(page: Page) -> None:
    with page.expect_navigation():
        page.locator("#result_list th a").first.click()


VISITS = {
    "entity types": [
        Visit("index", ADMIN),
        Visit("changes", f"{LIST}changes/"),
        Visit("list", LIST),
        Visit("list with filters open", LIST, open_filters),
        Visit("list with a new order", LIST, move_a_row),
        Visit("list with the dialog", LIST, ask_to_hide),
        Visit("form", CHANGE),
        Visit("form of what is to be hidden", CHANGE, switch_off),
        Visit("form with errors", CHANGE, save_with_errors),
        Visit("icon picker", CHANGE, choose_icon),
        Visit("choice of children", CHANGE, choose_child),
        Visit("conflict", CHANGE, save_after_somebody_else, status=409),
    ],
    "more of entity types": [
        Visit("form that somebody else has open", CHANGE, with_another_editor),
        Visit("list after a save", CHANGE, save_and_see),
        Visit("undo", CHANGE, undo_what_was_changed_since),
        Visit("history", HISTORY),
        Visit("versions compared", HISTORY, press("Compare chosen versions")),
        Visit("restore", HISTORY, restore),
        Visit("map", MAP, show_table),
        Visit("map of one", f"{MAP}?around=project", show_table),
        Visit("import", f"{LIST}import/"),
        Visit("import preview", f"{LIST}import/", preview_import),
        Visit("import mistakes", f"{LIST}import/", preview_mistakes),
        Visit("export", f"{LIST}export/"),
        Visit("bulk action", LIST, run("invalidate_cache")),
        Visit("bulk deletion", LIST, run("delete_selected")),
        Visit("deletion of a child", f"{LIST}wiki/delete/"),
    ],
    "cache and people": [
        Visit("dashboard", DASHBOARD),
        Visit("clear all", DASHBOARD, ask_to_clear),
        Visit("entries", ENTRIES, warm_and_look_again),
        Visit("entry", ENTRY, warm_and_look_again),
        Visit("audit log", LOG),
        Visit("audit log entry", LOG, look_at_first),
        Visit("users", "/admin/auth/user/"),
        Visit("form of a user", "/admin/auth/user/add/"),
        Visit("login", "/admin/login/?next=/admin/", stranger=True),
        Visit("login that fails", "/admin/login/?next=/admin/", fail_to_log_in, stranger=True),
    ],
}

FEW = ("list", "form with errors", "versions compared", "dashboard")
FEW_VISITS = [visit for visits in VISITS.values() for visit in visits if visit.name in FEW]
"""One of each kind of page, for `make test`."""
