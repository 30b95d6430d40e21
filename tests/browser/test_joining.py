"""The walk in docs/joining.md, as it stands there: a platform's table, its tokens, its pages, and the way back."""

import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler

import pytest
from playwright.sync_api import Browser, Page

from pmo.run.engines.postgres import program_folder
from tests.adoption.conftest import Platform, make_platform, platform  # noqa: F401 # fixtures
from tests.docs.pages import blocks_of
from tests.servers import ROOT, run_program, serving, web_server, worker_environment
from tests.sign_on import AUDIENCE, ISSUER, SECRET, serving_keys, shared_token, signed_token
from tests.waiting import wait_for

BLOCKS = blocks_of(ROOT / "docs" / "joining.md", "bash", "js")
ADOPT, SERVE, MAKE_ADA, CHANGE_LABEL, NEIGHBOUR_WRITES, GO_BACK = (block.text for block in BLOCKS)
PATH = f"{program_folder()}:{os.environ['PATH']}"
COLUMNS = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'entity' ORDER BY 1"
UNTOUCHED = "SELECT code, created_ts, child_entity_codes, db_table FROM app.entity ORDER BY 1"
READ_LABEL = """async ([api, token]) => {
    const answer = await fetch(`${api}/entity/type/project`, {headers: {Authorization: `Bearer ${token}`}});
    return (await answer.json()).label;
}"""


class OnePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><html lang=en><title>A page of the platform</title></html>")


def origin() -> AbstractContextManager[str]:
    """An origin of its own, that has one page."""
    return serving(OnePage)


def run(block: str, url: str) -> str:
    """What a block of the walk prints, run by bash on a database."""
    script = f'manage.py() {{ "{sys.executable}" -W ignore manage.py "$@"; }}\n{block}'
    done = run_program("bash", "-ec", script, env=worker_environment() | {"DATABASE_URL": url, "PATH": PATH})
    assert done.returncode == 0, done.stderr
    return done.stdout


def use(page: Page, api: str, issue: Callable[[str], str], platform: Platform) -> None:  # noqa: F811
    """What a page of the platform does, with tokens of its sign-on, and what it sees of its neighbours."""

    def read_label() -> str:
        return str(page.evaluate(READ_LABEL, [api, issue("a reader")]))

    def change_label(name: str) -> object:
        return page.evaluate(f"async ([api, token]) => {{ {CHANGE_LABEL} }}", [api, issue(name)])

    label = read_label()
    assert change_label("ada") == [200, f"{label}!"]
    assert change_label("a reader") == [403, None]
    assert read_label() == f"{label}!"
    run(NEIGHBOUR_WRITES, platform.url)
    wait_for(lambda: read_label() == "Undertaking")


@pytest.mark.parametrize(
    "ways", [["SIGN_ON_JWKS_URL"], pytest.param(["SIGN_ON_JWKS_URL", "SIGN_ON_SECRET"], marks=pytest.mark.proof)]
)
def test_a_platform_is_joined_and_left_again(
    browser: Browser,
    platform: Platform,  # noqa: F811
    ways: list[str],
) -> None:
    before = platform.run(COLUMNS), platform.run(UNTOUCHED)
    assert "can be adopted" in run(ADOPT, platform.url)
    run(MAKE_ADA, platform.url)
    with origin() as app, origin() as foreign, serving_keys() as keys:
        served = {"DATABASE_URL": platform.url, "CORS_ALLOWED_ORIGINS": app}
        served |= {"SIGN_ON_ISSUER": ISSUER, "SIGN_ON_AUDIENCE": AUDIENCE}
        issued = {"SIGN_ON_JWKS_URL": (keys.url, signed_token), "SIGN_ON_SECRET": (SECRET, shared_token)}
        assert set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", SERVE)) == {*served, *issued} - {"DATABASE_URL"}
        for name in ways:
            value, issue = issued[name]
            with web_server(**served, **{name: value}) as site:
                page = browser.new_page()
                page.goto(app)
                use(page, f"{site}/api/v1", issue, platform)
                page.goto(foreign)
                with pytest.raises(Exception, match="Failed to fetch"):
                    page.evaluate(READ_LABEL, [f"{site}/api/v1", issue("a reader")])
    run(GO_BACK, platform.url)
    assert (platform.run(COLUMNS), platform.run(UNTOUCHED)) == before
