"""The entity type's form as people use it: by mouse, by keyboard, and without its script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.conftest import make_entity

CHANGE = "/admin/entities/entity/project/change/"
ADD = "/admin/entities/entity/add/"

expect.set_options(timeout=20_000)


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    for code in ("wiki", "form", "task"):
        make_entity(code)
    make_entity("project", child_entity_codes=["wiki", "form"])


def expect_children(page: Page, *labels: str) -> None:
    """What the list shows, from top to bottom."""
    expect(page.locator(".children-item .children-name")).to_have_text([f"{name} {name.lower()}" for name in labels])


def save(page: Page) -> list[str]:
    """Save the form; the children that are stored then."""
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    return list(Entity.objects.get(code="project").child_entity_codes)


def test_children_are_chosen_by_mouse_and_the_plural_follows_the_label(page: Page) -> None:
    page.goto(CHANGE)
    expect_children(page, "Wiki", "Form")
    offered = page.get_by_label("Entity type to add as a child")
    expect(offered.locator("option")).to_have_text(["Choose an entity type", "Project · project", "Task · task"])
    offered.select_option("task")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Move Task up").click()
    page.get_by_role("button", name="Remove Wiki").click()
    expect_children(page, "Task", "Form")
    expect(offered.locator("option")).to_have_text(["Choose an entity type", "Project · project", "Wiki · wiki"])
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
    page.get_by_label("Entity type to add as a child").focus()
    page.keyboard.type("Ta")
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
    Entity.objects.filter(code="project").update(child_entity_codes=["form"])
    Entity.objects.filter(code="wiki").delete()
    page.get_by_role("button", name="Move Wiki down").click()
    assert save(page) == ["form"]
    expect(page.get_by_text("Unknown entity types: wiki.")).to_be_visible()
    expect(page.locator(".children-unknown .children-name")).to_have_text("Unknown wiki")
    page.get_by_role("button", name="Remove wiki").click()
    assert save(page) == ["form"]
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def test_without_its_script_the_field_takes_codes_as_text(page: Page) -> None:
    page.route("**/children.js", lambda route: route.abort())
    page.goto(CHANGE)
    expect(page.get_by_text("Codes in display order, with commas between them.")).to_be_visible()
    expect(page.locator("input[name=child_entity_codes]")).to_have_value("wiki, form")
    page.locator("input[name=child_entity_codes]").fill("form, task, wiki")
    assert save(page) == ["form", "task", "wiki"]
