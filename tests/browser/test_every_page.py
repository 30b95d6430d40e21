"""Every page of the admin, in both themes, on a desk and on a phone: accessible, self-contained, free of faults."""

import json
import re
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import Group
from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Request, Response, ViewportSize, expect

from entities.cache.operations import recorded
from entities.changes import change_entity
from entities.models import CacheOperation, Entity
from tests.browser.pages import CHANGE, DASHBOARD, FEW_VISITS, LIST, MAP, VISITS, Visit
from tests.conftest import make_entity, make_linked

DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
SET_THEME = """theme => {
    Alpine.$data(document.documentElement).adminTheme = theme;
    return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
        const fading = document.getAnimations().filter(each => each.effect.getComputedTiming().endTime !== Infinity);
        for (const each of fading) each.finish();
        done();
    })));
}"""
"""What the menu's switch does; colours that fade are there at once."""
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
GRAVE = ("serious", "critical")
WITHOUT_TRANSITIONS = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { transition: none !important; }");
    document.adoptedStyleSheets.push(sheet);
}"""
"""The content security policy refuses a style tag."""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT_OFF = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
    .filter(each => each.checkVisibility())
    .filter(each => (({left, right}) => left < 0 && right > 0)(each.getBoundingClientRect()))
    .map(each => each.outerHTML.slice(0, 200))"""
"""What begins left of the window, where nobody can scroll to."""
BY_MOUSE_ONLY = """() => [...document.querySelectorAll("*")]
    .filter(each => !each.matches("a[href], button, input, select, textarea, summary, [role=option], [tabindex='0']"))
    .filter(each => [...each.attributes].some(({name}) => /^(x-on:|@)click(\\.(prevent|stop))*$/.test(name)))
    .filter(each => each.checkVisibility() && each.textContent.trim())
    .map(each => each.outerHTML.slice(0, 200))"""
"""What can be clicked and is not reached by keyboard, of what Alpine listens to."""
FOCUSED = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const look = () => [element, element.parentElement, ...(element.labels ?? [])].map(each => {
        const style = getComputedStyle(each);
        return ["outline", "boxShadow", "borderColor", "backgroundColor", "color", "opacity"].map(name => style[name]);
    }).join();
    const label = element.labels?.[0]?.textContent;
    const name = element.ariaLabel || label || element.textContent || element.placeholder || element.name || "";
    const focused = look();
    element.blur();
    const otherwise = look();
    element.focus({focusVisible: true, preventScroll: true});
    const visible = focused !== otherwise;
    return {name: name.trim().replace(/\\s+/g, " "), visible, html: element.outerHTML.slice(0, 200)};
}"""
"""The focused element's name, and whether it looks otherwise without focus."""

CONTROLS = {
    LIST: ["Search in labels", "Filters", "Import", "Export", "Map", "Add entity type", "Move Wiki", "Wiki is active"],
    CHANGE: ["Label", "Choose an icon", "Entity type to add as a child", "Move Form down", "Save", "Invalidate"],
    DASHBOARD: ["7 d", "Reason", "Warm all", "Clear all", "Audit log", "Menu"],
}


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    make_linked("wiki", "form", "task", "note")
    make_entity("log", active_flag=False)
    Group.objects.get_or_create(name="operator")  # another test may have deleted those that are shipped
    make_entity("project", child_entity_codes=["wiki", "form"])
    change_entity("project", {"label": "Venture", "child_entity_codes": ["form", "wiki", "task"]})
    with recorded(CacheOperation.Operation.WARM, ["project"], username="root", reason="a test"):
        pass


class Faults(list[str]):
    """What went wrong on a page: requests elsewhere, answers of 400 and more, complaints of scripts."""

    def __init__(self, page: Page, site: str, *, expected: int) -> None:
        super().__init__()
        self.page = page
        self.site = site
        self.expected = expected
        self.requests: set[Request] = set()
        self.listeners = {
            "request": self.note_request,
            "requestfailed": self.note_failure,
            "response": self.note_response,
            "pageerror": self.note_error,
            "console": self.note_message,
        }
        for event, listener in self.listeners.items():
            page.on(event, listener)

    def end(self) -> None:
        """Leave the page to the next visit, whose business is not what this one's requests come to."""
        for event, listener in self.listeners.items():
            self.page.remove_listener(event, listener)

    def note_request(self, request: Request) -> None:
        self.requests.add(request)
        if not request.url.startswith((f"{self.site}/", "data:", "blob:")):
            self.append(f"asks elsewhere: {request.url}")

    def note_failure(self, request: Request) -> None:
        outdated_preview = request.url.endswith("/preview/") and request.failure == "net::ERR_ABORTED"
        if request in self.requests and not outdated_preview:
            self.append(f"{request.failure}: {request.url}")

    def note_response(self, response: Response) -> None:
        if response.request in self.requests and response.status >= 400 and response.status != self.expected:
            self.append(f"{response.status}: {response.url}")

    def note_error(self, error: Error) -> None:
        self.append(f"script error: {error}")

    def note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and f"status of {self.expected}" not in message.text:
            self.append(f"console: {message.text} ({message.location['url']})")


@pytest.mark.parametrize(
    "visits",
    [
        pytest.param(FEW_VISITS, id="few"),
        *(pytest.param(VISITS[area], id=area, marks=pytest.mark.proof) for area in VISITS),
    ],
)
def test_every_page_is_accessible_and_needs_nothing_from_elsewhere(
    staff_context: BrowserContext, site: str, visits: list[Visit]
) -> None:
    page = staff_context.new_page()
    found = {visit.name: faults for visit in visits if (faults := look_at(page, site, visit))}
    assert not found, json.dumps(found, indent=1)


def look_at(page: Page, site: str, visit: Visit) -> list[str]:
    """
    What is wrong with a page on a desk in light, and on a phone in dark.

    It is loaded once: themes and widths are set as a user would. In dark, on a phone, only the rules about colours are
    asked: the elements are the same.
    """
    if visit.stranger:
        page.context.clear_cookies()
    page.set_viewport_size(DESK)
    faults = Faults(page, site, expected=visit.status)
    page.goto(visit.address)
    visit.then(page)
    page.evaluate(AXE_SCRIPT)
    for size, theme, options in ((DESK, "light", {}), (PHONE, "dark", OF_COLOURS)):
        page.set_viewport_size(size)
        page.evaluate(SET_THEME, theme)
        faults += [f"{theme}, {size['width']} wide: {fault}" for fault in grave_faults(page, options)]
        if (beyond := page.evaluate(BEYOND)) > 0:
            faults.append(f"{beyond} pixels wider than {size['width']}")
        faults += [f"cut off, {size['width']} wide: {html}" for html in page.evaluate(CUT_OFF)]
        faults += [f"by mouse only, {size['width']} wide: {html}" for html in page.evaluate(BY_MOUSE_ONLY)]
    faults.end()
    page.goto("about:blank")  # else what this page still asks for would be a fault of the next
    return list(faults)


def grave_faults(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds serious or critical."""
    results: dict[str, Any] = page.evaluate("options => axe.run(options)", {"resultTypes": ["violations"], **options})
    return [
        f"{fault['impact']} {fault['id']}: {node['target']}: {node['html'][:200]}: {node['failureSummary']}"
        for fault in results["violations"]
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("address", CONTROLS)
def test_tab_leads_to_the_controls_and_shows_where_it_is(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate(WITHOUT_TRANSITIONS)
    reached = []
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:  # back in the browser's own bar
            break
        reached.append(focused)
    assert [each["html"] for each in reached if not each["visible"]] == []
    names = sorted(each["name"] for each in reached)
    assert [name for name in CONTROLS[address] if not any(name in each for each in names)] == [], names


def test_the_api_documentation_works_under_its_policy(staff_context: BrowserContext, site: str) -> None:
    page = staff_context.new_page()
    faults = Faults(page, site, expected=200)
    page.goto("/api/docs")
    page.locator("#operations-health-liveness .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text('"status": "ok"')
    assert faults == []


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


ICON_NAMES = """() => [...document.querySelectorAll(".material-symbols-outlined")]
    .filter(each => each.checkVisibility() && !each.closest("[aria-hidden=true]") && !each.ariaLabel)
    .map(each => each.outerHTML)"""


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
    page.locator("#id_label").fill("Enterprise")
    with page.expect_navigation():
        page.keyboard.press("Control+s")
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_visible()
    assert Entity.objects.get(code="project").label == "Enterprise"
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
