"""The entity type's form as people use it: by mouse, by keyboard, and without its script."""

import pytest
from playwright.sync_api import Page, expect

from entities.changes import change_entity
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure
from entities.words.icons import icon_names
from tests.conftest import make_linked

CHANGE = "/admin/entities/entity/project/change/"
ADD = "/admin/entities/entity/add/"


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    make_linked("wiki", "form", "task", project="wiki form")


def expect_children(page: Page, *labels: str) -> None:
    """What the list shows, from top to bottom."""
    expect(page.locator(".children-item .children-name")).to_have_text([f"{name} {name.lower()}" for name in labels])


def save(page: Page) -> list[str]:
    """Save the form; the children that are stored then."""
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    return list(Entity.objects.get(code="project").child_entity_codes)


def drag(page: Page, code: str, onto: str) -> None:
    """Take a child by its handle and let it go where another one is."""
    start, end = (
        page.locator(f'.children-item[data-code="{each}"] .children-handle').bounding_box() for each in (code, onto)
    )
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    beyond = end["height"] / 4 * (1 if end["y"] > start["y"] else -1)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2 + beyond, steps=6)


def test_children_are_chosen_and_dragged_by_mouse_and_the_plural_follows_the_label(page: Page) -> None:
    page.goto(CHANGE)
    expect_children(page, "Wiki", "Form")
    page.get_by_label("Entity type to add as a child").click()
    expect(page.get_by_role("option")).to_have_text(["Project project", "Task task"])
    page.get_by_role("option", name="Task").click()
    expect_children(page, "Wiki", "Form", "Task")
    drag(page, "task", onto="wiki")
    page.keyboard.press("Escape")
    expect_children(page, "Wiki", "Form", "Task")
    page.mouse.up()
    drag(page, "task", onto="wiki")
    page.mouse.up()
    expect_children(page, "Task", "Wiki", "Form")
    expect(page.locator(".children-status")).to_have_text("Task is now at position 1 of 3.")
    page.get_by_role("button", name="Remove Wiki").click()
    expect_children(page, "Task", "Form")
    page.locator("#id_label").fill("Company")
    expect(page.locator("#id_label_plural")).to_have_value("Companies")
    assert save(page) == ["task", "form"]
    document = get_entity_infrastructure().get_entity("project")
    assert document is not None
    assert (document.label_plural, document.child_entity_codes) == ("Companies", ("task", "form"))

    page.goto(ADD)
    page.locator("#id_label_plural").fill("People")
    page.locator("#id_label").fill("Person")
    expect(page.locator("#id_label_plural")).to_have_value("People")


def test_children_are_chosen_by_keyboard_alone(page: Page) -> None:
    page.goto(CHANGE)
    status = page.locator(".children-status")
    search = page.get_by_label("Entity type to add as a child")
    search.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="Project")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="Task")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(search).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("nothing")
    expect(page.get_by_text("No other entity type has this in its label or code.")).to_be_visible()
    page.keyboard.press("Control+A")
    page.keyboard.type("Tas")
    expect(page.get_by_role("option")).to_have_text(["Task task"])
    page.keyboard.press("Enter")
    expect(status).to_have_text("Task added, position 3 of 3.")
    assert page.url.endswith(CHANGE), "Enter must add, not save"

    page.get_by_role("button", name="Move Task up").focus()
    page.keyboard.press("Enter")
    expect(status).to_have_text("Task is now at position 2 of 3.")
    expect(page.get_by_role("button", name="Move Task up")).to_be_focused()
    page.keyboard.press("Space")
    expect(status).to_have_text("Task is now at position 1 of 3.")
    expect(page.get_by_role("button", name="Move Task down")).to_be_focused()  # up is not possible any more

    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove Task")).to_be_focused()
    page.keyboard.press("Enter")
    expect(status).to_have_text("Task removed.")
    expect(page.get_by_role("button", name="Remove Wiki")).to_be_focused()
    page.keyboard.press("Enter")
    expect_children(page, "Form")
    assert save(page) == ["form"]


def test_a_child_that_was_deleted_meanwhile_is_named_and_can_be_removed(page: Page) -> None:
    page.goto(CHANGE)
    page.get_by_role("button", name="Remove Form").click()
    page.get_by_label("Entity type to add as a child").fill("task")
    page.get_by_role("option", name="Task").click()
    Entity.objects.filter(code="task").delete()
    assert save(page) == ["wiki", "form"]
    expect(page.locator("#entity_form").get_by_text("Unknown entity types: task.")).to_be_visible()
    expect(page.locator(".children-unknown .children-name")).to_have_text("Unknown task")
    page.get_by_role("button", name="Remove task").click()
    assert save(page) == ["wiki"]
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def test_without_its_scripts_the_form_takes_codes_and_names_as_text(page: Page) -> None:
    for script in ("fields", "icons"):
        page.route(f"**/{script}.js", lambda route: route.abort())
    page.goto(CHANGE)
    expect(page.get_by_text("Codes in display order, with commas between them.")).to_be_visible()
    expect(page.get_by_role("button", name="Choose an icon")).to_be_hidden()
    expect(page.locator("input[name=child_entity_codes]")).to_have_value("wiki, form")
    page.locator("input[name=child_entity_codes]").fill("form, task, wiki")
    page.locator("#id_icon").fill("flag")
    assert save(page) == ["form", "task", "wiki"]
    assert Entity.objects.get(code="project").icon == "Flag"


def test_a_type_is_added_with_a_label_and_an_icon_found_by_its_meaning(page: Page) -> None:
    page.goto(ADD)
    page.locator("#id_label").fill("Cash Payment")
    expect(page.locator("#id_code")).to_have_attribute("placeholder", "cash_payment")
    page.get_by_role("button", name="Choose an icon").click()
    search = page.get_by_role("combobox", name="Search icons")
    expect(search).to_have_value("cash payment")  # what the label says, as it finds something
    expect(page.get_by_role("option", name="BanknoteX", exact=True)).to_be_visible()
    for word, icon in {"money": "Coins", "person": "CircleUser", "building": "House", "time": "Clock"}.items():
        search.fill(word)
        expect(page.get_by_role("option", name=icon, exact=True)).to_be_attached()
    search.fill("cash")
    page.get_by_role("listbox", name="Icons").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    chosen = page.locator("[role=option][aria-selected=true]").get_attribute("title")
    page.keyboard.press("Enter")
    expect(page.locator("#id_icon")).to_have_value(chosen or "")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    assert Entity.objects.get(code="cash_payment").icon == chosen


def test_an_icon_is_found_among_all_of_them_by_keyboard(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(CHANGE)
    assert not [url for url in asked if "/icons/" in url], "the icons are not fetched before somebody wants one"
    page.get_by_role("button", name="Choose an icon").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Choose an icon")
    expect(dialog.get_by_role("status")).to_have_text(f"{len(icon_names())} icons")
    page.keyboard.type("kanban square dash")
    expect(dialog.get_by_role("option")).to_have_count(1)
    expect(dialog.get_by_role("status")).to_have_text("1 icon")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#id_icon")).to_have_value("FolderKanban")
    expect(page.get_by_role("button", name="Choose an icon")).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.type("down arrow")
    first, second = (dialog.get_by_role("option").nth(index).get_attribute("title") for index in (0, 1))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#id_icon")).to_have_value(second or "")
    assert first != second
    expect(page.locator(".icon-field-drawing svg")).to_be_visible()
    expect(page.locator("[data-preview]")).to_contain_text(f'"icon": "{second}"')
    assert len([url for url in asked if "/icons/" in url]) == 1

    page.locator("#id_icon").fill("zzz")
    expect(page.locator(".icon-field-drawing svg")).to_have_count(0)
    page.locator("#id_icon").fill("flag")
    expect(page.locator(".icon-field-drawing svg")).to_be_visible()


def test_the_preview_follows_what_is_typed(page: Page) -> None:
    page.goto(CHANGE)
    shown = page.locator("[data-preview]")
    expect(shown.locator(".preview-tab")).to_have_text(["Overview", "Wikis", "Forms"])
    expect(shown.locator("ins")).to_have_count(0)
    page.locator("#id_label").fill('Ven"ture <b>')
    expect(shown.locator("ins", has_text='"label"')).to_contain_text('"label": "Ven\\"ture <b>"')
    expect(shown.locator("del", has_text='"label"')).to_contain_text('"label": "Project"')
    page.get_by_role("button", name="Move Wiki down").click()
    expect(shown.locator(".preview-tab")).to_have_text(["Overview", "Forms", "Wikis"])
    page.locator("#id_icon").fill("nope")
    expect(shown.locator(".preview-errors")).to_contain_text("Lucide has no icon called")
    Entity.objects.filter(code="project").delete()
    page.locator("#id_label").fill("Gone")
    expect(page.get_by_text("This entity type was deleted meanwhile.")).to_be_visible()


def test_a_server_that_cannot_answer_now_advises_no_reload_that_loses_what_was_typed(page: Page) -> None:
    page.goto(CHANGE)
    page.route("**/preview/", lambda route: route.fulfill(status=503))
    page.locator("#id_label").fill("Half typed")
    expect(page.locator("#preview-problem")).to_have_text(
        "Not up to date. The server can't do it now. Try again in a moment."
    )


def test_the_second_to_save_is_shown_the_difference_and_decides(page: Page) -> None:
    page.goto(CHANGE)
    change_entity("project", {"label": "Venture"})
    page.locator("#id_label").fill("Enterprise")
    page.get_by_role("button", name="Remove Wiki").click()
    assert save(page) == ["wiki", "form"]
    label = page.get_by_role("row", name="Label Project Venture Enterprise")
    expect(label).to_contain_text("Both changed it: yours")
    expect_children(page, "Form")
    label.get_by_role("button", name="Take theirs").click()
    expect(page.locator("#id_label")).to_have_value("Venture")
    expect(label).to_contain_text("Both changed it: theirs")
    label.get_by_role("button", name="Keep yours").click()
    assert save(page) == ["form"]
    assert Entity.objects.get(code="project").label == "Enterprise"


def test_the_cache_card_warms_and_invalidates_without_leaving_the_page(page: Page) -> None:
    ENTITY.entries_of_rows("project").invalidate()
    page.goto(CHANGE)
    card = page.get_by_role("region", name="Cache")
    expect(card).to_contain_text("Not cached")
    page.locator("#id_label").fill("Half typed")
    card.get_by_label("Reason, for the audit log").fill("Trying it")
    card.get_by_role("button", name="Warm").click()
    expect(card.get_by_role("status")).to_have_text(
        "Warmed 1 entity type: 1 filled, 0 already cached, 0 not cacheable."
    )
    expect(card.get_by_role("progressbar")).to_be_visible()
    card.get_by_role("button", name="Invalidate").focus()
    page.keyboard.press("Enter")
    expect(card.get_by_role("status")).to_have_text(
        "Invalidated 1 entity type; the next reader of each goes to the database."
    )
    expect(card).to_contain_text("Not cached")
    expect(page.locator("#id_label")).to_have_value("Half typed")
    noted = CacheOperation.objects.filter(username="root", subject="project").order_by("-id")[:2]
    assert [(row.operation, row.reason) for row in noted] == [("invalidate", ""), ("warm", "Trying it")]
    get_entity_infrastructure().get_entity("project")
    expect(card.get_by_role("progressbar")).to_be_visible()  # it asks again by itself
    page.context.clear_cookies()
    card.get_by_label("Reason, for the audit log").fill("Trying again")
    card.get_by_role("button", name="Warm").click()
    expect(card.get_by_role("alert")).to_contain_text("Nothing may have been done.")
    expect(card.get_by_role("status")).to_have_text("")
    expect(card.get_by_label("Reason, for the audit log")).to_have_value("Trying again")
