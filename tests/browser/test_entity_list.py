"""The list of entity types as people use it: dragging, keyboard, switch, cache states."""

import re

import pytest
from playwright.sync_api import Page, expect

from entities.lookups import ENTITY
from entities.models import Entity
from tests.conftest import make_entity

LIST = "/admin/entities/entity/"
DRAG_NUDGES = 200
STATES_MS = 3_100
"""The page asks for the cache's states after this time, which the tests let pass at once."""


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    for number, code in enumerate(("wiki", "form", "task"), start=1):
        make_entity(code, display_order=number * 10)


def expect_rows(page: Page, *labels: str) -> None:
    """What the list shows, from top to bottom."""
    expect(page.locator("#result_list .entity-name")).to_have_text(list(labels))


def codes() -> list[str]:
    return list(Entity.objects.values_list("code", flat=True))


def save(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The new order is saved.")).to_be_visible()


def test_rows_are_dragged_and_the_new_order_waits_for_save(page: Page) -> None:
    page.goto(LIST)
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_hidden()
    handles = page.get_by_role("button", name="Move ")
    target = handles.nth(0).bounding_box()
    assert target is not None
    handles.nth(2).hover()
    page.mouse.down()
    for nudge in range(DRAG_NUDGES):  # as a hand does: a row that is still gliding away takes no notice of the mouse
        page.mouse.move(target["x"] + 10, target["y"] + 2 + nudge % 2 * 4, steps=5)
        if page.locator("#result_list .entity-name").first.inner_text().strip() == "Task":
            break
    page.mouse.up()
    expect_rows(page, "Task", "Wiki", "Form")
    expect(page.get_by_text("The new order waits to be saved.")).to_be_visible()
    assert codes() == ["wiki", "form", "task"]
    save(page)
    expect_rows(page, "Task", "Wiki", "Form")
    assert codes() == ["task", "wiki", "form"]
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_hidden()


def test_rows_are_moved_by_keyboard_alone(page: Page) -> None:
    page.goto(LIST)
    handle = page.get_by_role("button", name="Move Wiki")
    handle.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".entity-order-note")).to_contain_text("Wiki is now at place 2 of 3.")
    expect(handle).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # it is the last already
    expect_rows(page, "Form", "Task", "Wiki")
    page.keyboard.press("ArrowUp")
    expect_rows(page, "Form", "Wiki", "Task")
    save(page)
    assert codes() == ["form", "wiki", "task"]


def test_leaving_with_an_unsaved_order_is_warned_of(page: Page) -> None:
    page.goto(LIST)
    page.get_by_role("button", name="Move Wiki").focus()
    page.keyboard.press("ArrowDown")
    with page.expect_event("dialog") as asked:
        page.evaluate("setTimeout(() => location.reload())")
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    expect_rows(page, "Form", "Wiki", "Task")


def test_the_switch_says_what_it_would_do_and_one_click_undoes_it(page: Page) -> None:
    make_entity("project", child_entity_codes=["wiki", "task"])
    page.goto(f"{LIST}?q=wiki")
    page.get_by_role("switch", name="Wiki is active").focus()
    page.keyboard.press("Space")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 entity type lists it as a child.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert Entity.objects.get(code="wiki").active_flag

    page.get_by_role("switch", name="Wiki is active").click()
    dialog.get_by_role("button", name="Deactivate, and take out of 1 list").click()
    expect(page.get_by_text("Wiki: deactivated, and taken out of all lists that had it.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=wiki$"))
    assert Entity.objects.get(code="project").child_entity_codes == ["task"]
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Undone: 2 entity types are as before.")).to_be_visible()
    assert Entity.objects.get(code="project").child_entity_codes == ["wiki", "task"]


def test_who_was_logged_out_meanwhile_is_sent_to_the_login_not_shown_it_in_a_dialog(page: Page) -> None:
    page.goto(LIST)
    page.context.clear_cookies()
    with page.expect_navigation(url=re.compile("/admin/login/")):
        page.get_by_role("switch", name="Wiki is active").click()


def test_a_server_that_does_not_answer_is_said_in_the_dialog(page: Page) -> None:
    page.goto(LIST)
    page.context.set_offline(True)
    page.get_by_role("switch", name="Wiki is active").click()
    expect(page.get_by_role("dialog")).to_contain_text("The server can't be reached")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert Entity.objects.get(code="wiki").active_flag


def test_activating_saves_at_once_and_turns_back_where_it_cannot(page: Page) -> None:
    Entity.objects.update(active_flag=False)
    page.goto(LIST)
    wiki = page.get_by_role("switch", name="Wiki is active")
    expect(wiki).not_to_be_checked()
    with page.expect_response("**/activate/"):
        wiki.focus()
        page.keyboard.press("Space")
    expect(wiki).to_be_checked()
    expect(wiki).to_be_focused()
    assert Entity.objects.get(code="wiki").active_flag
    Entity.objects.filter(code="form").delete()
    form = page.get_by_role("switch", name="Form is active")
    form.click()
    expect(page.get_by_role("alert")).to_have_text("form was not activated: This entity type was deleted meanwhile.")
    expect(form).not_to_be_checked()


def test_cache_states_follow_what_happens_without_a_reload(page: Page) -> None:
    page.clock.install()
    page.goto(LIST)
    cell = page.locator("[data-cache-code=wiki]")
    ENTITY.entries_of_rows("wiki", "form", "task").invalidate()
    page.clock.run_for(STATES_MS)
    expect(cell).to_have_text("not cached")
    note = page.get_by_text("so it is not known what is cached")
    expect(note).to_be_hidden()
    ENTITY.read_many(["wiki", "form", "task"])
    page.clock.run_for(STATES_MS)
    expect(cell).to_have_text(re.compile(r"^cached \d+ s$"))
    expect(cell).not_to_have_text(cell.inner_text())  # the seconds count down
    ENTITY.entries_of_rows("wiki").invalidate()
    page.clock.run_for(STATES_MS)
    expect(cell).to_have_text("not cached")
    expect(page.locator("[data-cache-code=form]")).to_have_text(re.compile(r"^cached \d+ s$"))
    page.context.set_offline(True)
    page.clock.run_for(STATES_MS)
    expect(cell).to_have_text("unknown")
    expect(note).to_be_visible()


def test_on_a_phone_a_row_has_two_lines(page: Page) -> None:
    make_entity("project", child_entity_codes=["wiki", "form", "task"])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(LIST)
    rows = page.locator("#result_list .data-row")
    heights = [box["height"] for row in rows.all() if (box := row.bounding_box())]
    assert max(heights) <= 64
    for name in ("Wiki is active", "Move Wiki", "Wiki"):
        expect(page.get_by_label(name).or_(page.get_by_role("link", name=name, exact=True)).first).to_be_in_viewport()
