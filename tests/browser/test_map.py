"""The map of entity types as people use it: by keyboard and by mouse."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import make_entity, make_linked

MAP = "/admin/entities/entity/map/"


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    """A chain of four, a cycle back to its beginning, a type inside itself, one inactive and two orphans."""
    make_linked("office", "project", "task", "note", "log")
    make_entity("issue", active_flag=False, child_entity_codes=["issue"])
    for parent, children in (("office", ["project"]), ("project", ["task"]), ("task", ["issue", "project"])):
        make_entity(parent, child_entity_codes=children)


def open_map(page: Page) -> Locator:
    """The canvas, once the map is drawn."""
    page.goto(MAP)
    canvas = page.locator(".is-drawn .map-canvas")
    expect(canvas).to_have_attribute("style", re.compile("translate"))
    return canvas


def place_of(locator: Locator) -> tuple[float, float]:
    """The middle of an element on the screen."""
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def expect_drawn(page: Page, number: int) -> None:
    """So many links are drawn; those that are straight have no height, so Playwright would not call them visible."""
    drawn = """number => [...document.querySelectorAll(".map-links > path")]
        .filter(each => getComputedStyle(each).display !== "none").length === number"""
    page.wait_for_function(drawn, arg=number)


ALL_APART = """() => {
    const boxes = [...document.querySelectorAll(".map-node")].map(each => each.getBoundingClientRect());
    return boxes.length > 1 && boxes.every((one, index) => boxes.slice(index + 1).every(other =>
        Math.abs(one.x - other.x) >= one.width || Math.abs(one.y - other.y) >= one.height));
}"""


def test_every_type_and_link_is_drawn_once_and_no_node_covers_another(page: Page) -> None:
    open_map(page)
    nodes = page.locator(".map-node")
    expect(nodes).to_have_count(6)
    expect(page.locator(".map-links > path")).to_have_count(5)
    expect(page.locator(".map-links > .is-back")).to_have_count(2)  # the cycle's, and the one to itself
    assert page.evaluate(ALL_APART)


def test_the_map_is_searched_read_and_opened_by_keyboard_alone(page: Page) -> None:
    open_map(page)
    page.get_by_role("searchbox", name="Find an entity type").focus()
    page.keyboard.type("proj")
    expect(page.locator(".map-status")).to_have_text("1 found. Enter goes to the first.")
    expect(page.locator(".map-node.is-match")).to_have_text(re.compile("Project"))
    page.keyboard.press("Enter")
    chosen = page.get_by_role("region", name="Project project")
    expect(chosen.get_by_role("heading", name="Project")).to_be_focused()
    expect(page.locator(".map-node.is-parent")).to_have_text([re.compile("Office"), re.compile("Task")])
    expect(page.locator(".map-node.is-child")).to_have_text(re.compile("Task"))
    expect(chosen.locator(".is-parent a")).to_have_text(["Office", "Task"])
    expect(chosen.locator(".is-child a")).to_have_text(["Task"])
    page.get_by_role("link", name="Edit", exact=True).focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("/project/change/")
    page.go_back()
    expect(chosen.locator(".is-child a")).to_have_text(["Task"])
    page.locator('.map-node[data-code="project"]').focus()
    page.keyboard.press("Escape")
    expect(chosen).to_be_hidden()
    expect(page.locator(".map-view")).to_be_focused()
    page.go_back()
    expect(chosen).to_be_visible()
    expect(page.locator(".is-drawn .map-node")).to_have_count(3)
    canvas = page.locator(".map-canvas")
    before = canvas.get_attribute("style") or ""
    page.locator(".map-view").press("+")
    expect(canvas).not_to_have_attribute("style", before)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_chosen_type_has_its_parents_and_children_around_it_in_sight(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_map(page)
    page.evaluate("window.loadedOnce = true")
    page.locator('.map-node[data-code="task"]').click()
    chosen = page.get_by_role("region", name="Task task")
    expect(chosen.locator(".is-child a")).to_have_text(["Issue", "Project"])
    expect(chosen.get_by_role("link", name="Issue")).to_have_class(re.compile("is-inactive"))
    expect_drawn(page, 3)
    outer = page.locator(".map-view").bounding_box()
    assert outer is not None
    for code in ("project", "task", "issue"):
        x, y = place_of(page.locator(f'.map-node[data-code="{code}"]'))
        assert outer["x"] < x < outer["x"] + outer["width"]
        assert outer["y"] < y < outer["y"] + outer["height"]
    assert page.evaluate(ALL_APART)
    chosen.get_by_role("link", name="Project").first.click()
    expect(page.get_by_role("region", name="Project project")).to_be_visible()
    page.get_by_role("link", name="Show all", exact=True).click()
    expect_drawn(page, 5)
    assert page.evaluate("window.loadedOnce"), "the rest of the page stays"


def test_the_chosen_type_is_deactivated_from_there_and_the_map_comes_back_to_it(page: Page) -> None:
    page.goto(f"{MAP}#project")  # as it was linked to once
    page.get_by_role("button", name="Deactivate…").click()
    page.get_by_role("dialog").get_by_role("button", name="Deactivate, and take out of 2 lists").click()
    expect(page.get_by_text("Project: deactivated, and taken out of all lists that had it.")).to_be_visible()
    expect(page.get_by_role("region", name="Project project").get_by_role("heading", name="Parents 0")).to_be_visible()
    expect(page.get_by_role("button", name="Deactivate…")).to_be_hidden()


def test_a_phone_begins_with_one_type_where_all_would_be_too_small_to_read(page: Page) -> None:
    for number in range(12):
        make_entity(f"link_{number}", child_entity_codes=[f"link_{number - 1}"] if number else ["note"])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(MAP)
    expect(page.get_by_role("region", name="Office office")).to_be_visible()
    page.get_by_role("link", name="Show all", exact=True).click()
    expect(page.locator(".is-drawn .map-node")).to_have_count(18)


def test_a_long_label_without_spaces_makes_nothing_wider_than_a_phone(page: Page) -> None:
    make_entity("long", label="Long" * 20, child_entity_codes=["log"])
    page.set_viewport_size({"width": 390, "height": 844})
    for address in (f"{MAP}?around=long", f"{MAP}?around=log", "/admin/entities/entity/log/delete/"):
        page.goto(address)
        expect(page.get_by_role("link", name="Long" * 20).last).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") == 390, address


def test_links_that_a_longer_way_implies_are_drawn_for_the_chosen_type_alone(page: Page) -> None:
    make_entity("board", child_entity_codes=["office", "project", "task"])
    open_map(page)
    expect(page.locator(".map-links > path")).to_have_count(8)
    expect_drawn(page, 6)
    page.locator('.map-node[data-code="board"]').hover()
    expect_drawn(page, 8)


def test_keys_zoom_and_move_the_map_and_0_shows_all_of_it_again(page: Page) -> None:
    canvas = open_map(page)
    whole = canvas.get_attribute("style") or ""
    page.locator(".map-view").focus()
    for key in ("+", "-", "ArrowLeft", "ArrowDown"):
        before = canvas.get_attribute("style") or ""
        page.keyboard.press(key)
        expect(canvas).not_to_have_attribute("style", before)
    page.keyboard.press("0")
    transform = re.compile(r"transform: ([^;]*)")
    start = transform.search(whole)
    assert start
    page.wait_for_function("start => document.querySelector('.map-canvas').style.transform === start", arg=start[1])


def test_a_drag_moves_the_map_and_chooses_nothing_and_a_click_chooses(page: Page) -> None:
    canvas = open_map(page)
    before = canvas.get_attribute("style") or ""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    task = page.locator('.map-node[data-code="task"]')
    x, y = place_of(task)
    page.mouse.move(x, y)
    expect(page.locator(".map-node.is-here")).to_have_text(re.compile("Task"))
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=4)
    beneath = "([x, y]) => document.elementFromPoint(x, y).closest('[data-code=task]')"
    page.wait_for_function(beneath, arg=[x + 60, y + 30])  # the map has followed
    page.mouse.up()
    expect(canvas).not_to_have_attribute("style", before)
    page.locator('.map-node[data-code="project"]').click()
    expect(page.get_by_role("region", name="Project project")).to_be_visible()
    assert [url for url in asked if "around" in url] == [page.url]


def test_what_is_not_drawn_is_asked_of_the_server(page: Page) -> None:
    page.goto(f"{MAP}?show=orphans")
    expect(page.locator(".map-node")).to_have_count(2)
    search = page.get_by_role("searchbox", name="Find an entity type")
    search.fill("office")
    search.press("Enter")
    expect(page.locator("#map-note")).to_contain_text("Around Office, 1 level: 2 of 6 entity types.")
    page.get_by_role("link", name="More levels").click()
    expect(page.locator("#map-note")).to_contain_text("Around Office, 2 levels: 3 of 6 entity types.")
    search.fill("nowhere")
    search.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("No entity type is called “nowhere”.")
    expect(search).to_be_focused()


def test_who_is_logged_out_meanwhile_comes_back_after_the_login(page: Page) -> None:
    open_map(page)
    page.context.clear_cookies()
    page.locator('.map-node[data-code="task"]').click()
    expect(page).to_have_url(re.compile(r"/admin/login/\?next=.*map/%3Faround%3Dtask"))


def test_without_scripts_the_types_are_links_in_a_list_and_a_table(page: Page, site: str) -> None:
    browser = page.context.browser
    assert browser
    context = browser.new_context(base_url=site, java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(MAP)
    plain.get_by_text("The same as a table").click()
    row = plain.get_by_role("row", name="Project project")
    expect(row.get_by_role("link")).to_have_text(["Project", "Office", "Task", "Task"])
    plain.locator('.map-node[data-code="issue"]').click()
    expect(plain.get_by_role("region", name="Issue issue").get_by_role("link", name="Task")).to_be_visible()
    plain.get_by_role("link", name="Edit", exact=True).click()
    assert plain.url.endswith("/issue/change/")
    context.close()
