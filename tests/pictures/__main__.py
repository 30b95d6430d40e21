"""Starts a platform of its own, uses it for some minutes as its users do, and takes the pictures."""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from pmo.run.embedded import Endpoints
from tests import ROOT
from tests.browser.chromium import launch_chromium
from tests.platform.running import launched
from tests.stage import ask

IMAGES = ROOT / "docs" / "images"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
CODES = ("project", "task", "office", "risk", "wiki", "budget", "employee", "milestone")


class Api:
    """A program with a token."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.token = port, ""
        self.token = self.ask("POST", "auth/login", {"username": "admin", "password": password})["token"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(ask(self.port, method, f"/api/v1/{path}", self.token, body).body)


class Traffic(threading.Thread):
    """Reads all the time, and now and then a change: through the API, and in SQL."""

    def __init__(self, api: Api, database_url: str) -> None:
        super().__init__(daemon=True)
        self.api, self.database_url = api, database_url
        self.ended = threading.Event()

    def run(self) -> None:
        chance = random.Random(7)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            while not self.ended.wait(0.003):
                code = chance.choices(CODES, weights=range(len(CODES), 0, -1))[0]
                self.api.ask("GET", f"entity/type/{code}")
                luck = chance.random()
                if luck < 0.004:
                    children = self.api.ask("GET", f"entity/type/{code}")["child_entity_codes"]
                    chance.shuffle(children)
                    self.api.ask("PUT", f"entity/{code}/children", {"child_entity_codes": children})
                elif luck < 0.006:
                    connection.execute("UPDATE app.entity SET display_order = display_order WHERE code = %s", [code])
                    connection.execute("UPDATE app.entity SET modified_ts = now() WHERE code = %s", [code])


def log_in(browser: Browser, url: str, password: str, **options: Any) -> Page:
    page = browser.new_context(base_url=url, device_scale_factor=1, **options).new_page()
    page.goto("/admin/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/admin/")
    return page


def take(page: Page, path: str, name: str) -> None:
    """A picture of the page as it is when everything on it has come."""
    if path:
        page.goto(path)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_200)  # charts grow
    page.screenshot(path=IMAGES / f"{name}.png")
    sys.stdout.write(f"docs/images/{name}.png\n")


def edit_as_staff(page: Page) -> None:
    """A history worth looking at."""
    page.goto("/admin/entities/entity/project/change/")
    page.fill("#id_label_plural", "All projects")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/entity/")
    page.goto("/admin/entities/entity/project/change/")
    page.fill("#id_label_plural", "Projects")
    page.get_by_role("button", name="Remove Revenue").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/entity/")


def take_all(browser: Browser, url: str, password: str) -> None:
    page = log_in(browser, url, password, viewport=DESKTOP)
    change = "/admin/entities/entity/project/change/"
    take(page, "/admin/entities/entity/", "admin_list")
    take(page, change, "admin_form")
    page.get_by_role("button", name="Choose").click()
    page.wait_for_timeout(1_000)
    page.keyboard.type("kanban")
    take(page, "", "admin_icons")
    take(page, "/admin/entities/entity/project/history/", "admin_history")
    take(page, "/admin/entities/entity/map/", "admin_map")
    take(page, "/admin/cache/", "cache_dashboard")
    take(page, "/admin/cache/entries/", "cache_entries")
    dark = log_in(browser, url, password, viewport=DESKTOP, color_scheme="dark")
    take(dark, "/admin/cache/", "cache_dashboard_dark")
    phone = log_in(browser, url, password, viewport=PHONE)
    take(phone, "/admin/entities/entity/", "admin_list_phone")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--seconds", type=int, default=180, help="how long the platform is used first")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="pmo-pictures-") as name, sync_playwright() as playwright:
        directory = Path(name)
        # Nobody reads what it logs to its terminal: its server would wait when the pipe is full.
        with launched(directory, LOG_LEVEL="ERROR", CACHE_ANALYTICS_SECONDS="5", USER="ada", LOGNAME="ada") as platform:
            password = (directory / "admin_password").read_text().strip()
            traffic = Traffic(Api(platform.port, password), Endpoints.of(directory).database_url)
            traffic.start()
            browser = launch_chromium(playwright)
            edit_as_staff(log_in(browser, platform.url, password, viewport=DESKTOP))
            time.sleep(seconds)
            take_all(browser, platform.url, password)
            browser.close()
            traffic.ended.set()
            traffic.join()


if __name__ == "__main__":
    main()
