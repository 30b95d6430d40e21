"""A page of another origin in a real browser: it logs in, reads, changes and renews; one that is not named can't."""

from __future__ import annotations

from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page

from tests.api.conftest import make_user
from tests.conftest import hashed, make_entity
from tests.servers import serving, web_server

PAGE = b"<!doctype html><html lang=en><title>A page of the platform</title><h1>A page of the platform</h1></html>"
ASK = """async ([site, method, path, token, body, tag]) => {
  const headers = {};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  if (tag) headers["If-Match"] = tag;
  const answer = await fetch(`${site}/api/v1/${path}`, {method, headers, body: body && JSON.stringify(body)});
  const seen = Object.fromEntries(["etag", "x-cache", "location"].map(name => [name, answer.headers.get(name)]));
  return {status: answer.status, seen, said: await answer.json()};
}"""


class OnePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)


def origin() -> AbstractContextManager[str]:
    """An origin of its own, that has one page."""
    return serving(OnePage)


class Elsewhere:
    """A page, and what it asks of the API on another origin."""

    def __init__(self, page: Page, url: str, site: str) -> None:
        self.page, self.site = page, site
        page.goto(url)

    def ask(self, method: str, path: str, *, token: str = "", body: Any = None, tag: str = "") -> Any:
        return self.page.evaluate(ASK, [self.site, method, path, token, body, tag])


@pytest.fixture
def ada(committed_db: None) -> User:
    make_entity("task")
    make_entity("project")
    user = make_user("ada", "add", "change")
    User.objects.update(password=hashed("correct horse"))
    return user


def test_a_page_of_another_origin_uses_the_api(browser: Browser, ada: User) -> None:
    with origin() as ours, origin() as foreign, web_server(CORS_ALLOWED_ORIGINS=ours, CACHE_RELAY="false") as site:
        page = Elsewhere(browser.new_page(), ours, site)
        login = page.ask("POST", "auth/login", body={"username": "ada", "password": "correct horse"})["said"]
        token = login["token"]
        for _ in range(3):  # by Django, and by the express lane
            types = page.ask("GET", "entity/types", token=token)
            assert (types["status"], len(types["said"])) == (200, 2)
        assert types["seen"]["x-cache"] in ("L1", "L2")
        read = page.ask("GET", "entity/type/project", token=token)
        changed = page.ask("PATCH", "entity/project", token=token, body={"label": "New"}, tag=read["seen"]["etag"])
        assert (changed["status"], changed["said"]["label"]) == (200, "New")
        late = page.ask("PATCH", "entity/project", token=token, body={"label": "Late"}, tag=read["seen"]["etag"])
        assert (late["status"], late["said"]["code"]) == (412, "precondition_failed")
        assert page.ask("GET", "entity/type/project", token=token)["said"]["label"] == "New"
        new = {"code": "risk", "label": "Risk", "label_plural": "Risks", "icon": "FolderKanban"}
        assert page.ask("POST", "entity", token=token, body=new)["seen"]["location"] == "/api/v1/entity/type/risk"
        refused = page.ask("GET", "entity/types", token=f"{token}x")
        assert (refused["status"], refused["said"]["code"]) == (401, "token_not_valid")
        renewed = page.ask("POST", "auth/refresh", body={"refresh": login["refresh"]})["said"]
        assert page.ask("GET", "entity/types", token=renewed["token"])["status"] == 200

        stranger = Elsewhere(browser.new_page(), foreign, site)
        for token in (renewed["token"], ""):
            with pytest.raises(Exception, match="Failed to fetch"):
                stranger.ask("GET", "entity/types", token=token)
