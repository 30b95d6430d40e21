"""
What browsers are told: policies that let no foreign script run, and headers that keep answers where they belong.

The first page says where to go by who asks; from where nothing is, or nobody may go, there is a way back.
"""

import re
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient
from unfold.settings import CONFIG_DEFAULTS

from entities.models import Entity
from tests.admin.conftest import staff_client
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity
from tests.dashboard.conftest import staff_with

pytestmark = pytest.mark.django_db

PAGES = [
    "/admin/",
    "/admin/login/",
    "/admin/entities/entity/",
    "/admin/entities/entity/project/change/",
    "/admin/entities/entity/project/history/",
    "/admin/entities/entity/map/",
    "/admin/entities/entity/import/",
    "/admin/entities/cacheoperation/",
    "/admin/cache/",
    "/admin/auth/user/add/",
    "/admin/password_change/",
]
OPEN_TAG = re.compile(r"<(script|style)\b([^>]*)>")
HANDLER = re.compile(r"<[^>]*\son[a-z]+=", re.IGNORECASE)


@pytest.fixture
def staff() -> Client:
    make_entity("project")
    return staff_client(make_user("root", is_staff=True, is_superuser=True))


def policy_of(answer: Any) -> dict[str, set[str]]:
    directives = [directive.split() for directive in answer["Content-Security-Policy"].split(";")]
    return {name: set(sources) for name, *sources in directives}


def test_pages_of_the_admin_are_kept_apart_and_run_scripts_of_this_server_alone_and_none_inline(
    staff: Client, subtests: pytest.Subtests
) -> None:
    for page in PAGES:
        with subtests.test(page=page):
            answer = staff.get(page)
            assert policy_of(answer) == {
                "default-src": {"'none'"},
                "base-uri": {"'none'"},
                "frame-ancestors": {"'none'"},
                "form-action": {"'self'"},
                "script-src": {"'self'", "'unsafe-eval'"},
                "style-src-elem": {"'self'"},
                "style-src-attr": {"'unsafe-inline'"},
                "font-src": {"'self'"},
                "img-src": {"'self'", "data:"},
                "connect-src": {"'self'"},
            }
            assert_kept_apart(answer)
            assert answer["Permissions-Policy"].startswith("camera=(), ")
            assert "private" in answer["Cache-Control"], "no cache that others share keeps it"
            text = answer.content.decode()
            inline = [attributes for _, attributes in OPEN_TAG.findall(text) if " src=" not in attributes]
            assert [each for each in inline if "application/json" not in each] == []
            assert HANDLER.search(text) is None


@pytest.mark.parametrize("page", ["/admin/nowhere", "/", "/admin/ without a database"])
def test_small_pages_bring_their_own_style_with_the_answers_nonce_and_no_other(
    staff: Client, without_database: Any, page: str
) -> None:
    path, *away = page.split(" ", 1)
    if away:
        without_database()
    answer = staff.get(path)
    policy = policy_of(answer)
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', answer.content.decode()))
    assert f"'nonce-{nonce}'" in policy["style-src-elem"]
    assert policy["default-src"] == {"'none'"}
    assert "'unsafe-inline'" not in policy["script-src"] | policy["style-src-elem"]


def test_the_api_documentation_runs_what_has_the_answers_own_nonce() -> None:
    answers = [Client().get("/api/docs") for _ in range(2)]
    nonces = [re.findall(r'nonce="([^"]+)"', answer.content.decode()) for answer in answers]
    assert len(set(nonces[0])) == len(set(nonces[1])) == 1
    assert set(nonces[0]) != set(nonces[1])
    policy = policy_of(answers[0])
    assert policy["script-src"] == policy["style-src-elem"] == {f"'nonce-{nonces[0][0]}'"}
    assert policy["default-src"] == {"'none'"}
    tags = OPEN_TAG.findall(answers[0].content.decode())
    assert len(tags) == 3
    assert all("nonce=" in attributes for _, attributes in tags)


OTHERS_PAGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/oauth2-redirect.html"
"""A page with a script in it, that a package brings among its static files."""


def test_everything_else_allows_nothing(subtests: pytest.Subtests) -> None:
    nothing = {name: {"'none'"} for name in ("default-src", "base-uri", "form-action", "frame-ancestors")}
    for client in (client_of(make_user()), client_of(None)):
        for path in ("/api/v1/entity/types", "/api/nowhere", "/api/schema", "/health", "/metrics", "/x", OTHERS_PAGE):
            with subtests.test(path), closing(client.get(path)) as answer:
                assert policy_of(answer) == nothing
                assert_kept_apart(answer)


def assert_kept_apart(answer: Any) -> None:
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer


def test_unfolds_colours_are_those_it_would_write_into_pages() -> None:
    sheet = Path("entities/static/entities/colors.css").read_text()
    expected = {
        f"--color-{name}-{weight}": colour
        for name, weights in CONFIG_DEFAULTS["COLORS"].items()
        for weight, colour in weights.items()
    }
    assert dict(re.findall(r"(--[a-z0-9-]+): ([^;]+);", sheet)) == expected


def test_cookies_are_for_this_site_and_the_session_not_for_scripts() -> None:
    make_user("ada", password="correct horse", is_staff=True)
    client = Client()
    client.get("/admin/login/")
    client.post("/admin/login/?next=/admin/", {"username": "ada", "password": "correct horse"})
    session, csrf = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert (session["httponly"], session["samesite"], session["path"], session["domain"]) == (True, "Lax", "/", "")
    assert (csrf["httponly"], csrf["samesite"]) == (True, "Lax")


def test_a_login_leads_to_this_site_alone() -> None:
    make_user("ada", password="correct horse", is_staff=True)
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = Client().post(f"/admin/login/?next={target}", {"username": "ada", "password": "correct horse"})
        assert (answer.status_code, answer["Location"]) == (302, "/admin/"), target


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:80@evil.example", ""])
def test_another_host_is_refused(host: str) -> None:
    assert Client(headers={"Host": host}).get("/admin/login/").status_code == 400
    assert APIClient(headers={"Host": host}).get("/api/v1/entity/types").status_code == 400


def test_no_line_break_gets_into_a_header(staff: Client) -> None:
    split = "x%0d%0aSet-Cookie:%20a=b"
    for path in (f"/admin/{split}", f"/admin/login/?next=/{split}", f"/admin/entities/entity/{split}/change/"):
        for answer in (Client().get(path), staff.get(path)):
            assert not [value for value in answer.headers.values() if "\n" in value or "\r" in value]
            assert "a" not in answer.cookies
    assert not Entity.objects.filter(code__contains="\n").exists()


def test_the_first_page_leads_each_to_what_they_may_open() -> None:
    stranger = Client().get("/")
    assert stranger["Cache-Control"] == "no-store"
    assert 'href="/api/docs"' in stranger.content.decode()
    assert 'href="/admin/cache/"' not in stranger.content.decode()
    assert "admin_password" in stranger.content.decode()
    operator = staff_client(staff_with("olga", "view_cache")).get("/").content.decode()
    assert 'href="/admin/cache/"' in operator
    assert "<b>olga</b>" in operator


def test_a_token_is_made_in_development_alone_by_the_page_s_form_and_works(settings: object) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(staff_with("olga"))
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/").content.decode())
    assert secret
    assert browser.post("/token").status_code == 403, "another site's form"
    page = browser.post("/token", {"csrfmiddlewaretoken": secret[1]})
    token = re.search(r"readonly>([\w.-]+)</textarea>", page.content.decode())
    assert token
    assert page["Cache-Control"] == "no-store"
    api = APIClient(headers={"Authorization": f"Bearer {token[1]}"})
    assert api.get("/api/v1/auth/me").json()["username"] == "olga"
    settings.PRODUCTION = True  # type: ignore[attr-defined] # pytest-django's
    again = browser.post("/token", {"csrfmiddlewaretoken": secret[1]})
    assert (again.status_code, b"textarea" in again.content) == (403, False)
    assert b"Make a token" not in browser.get("/").content
    assert Client().post("/token").status_code == 403
    assert browser.put("/token").status_code == browser.put("/").status_code == 405


def test_there_is_a_way_back() -> None:
    staff = staff_client(make_user("sam", is_staff=True))
    for client, path, status in (
        (Client(), "/nowhere", 404),
        (staff, "/admin/nowhere/", 404),
        (staff, "/admin/cache/", 403),
        (staff, "/admin/entities/entity/nothing/history/", 403),
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert '<a href="/">Start page</a>' in answer.content.decode()
        assert ('<a href="/admin/">Admin</a>' in answer.content.decode()) == path.startswith("/admin/")
    assert Client().get("/api/nowhere").json()["code"] == "not_found"


def test_who_finds_a_vulnerability_is_told_whom_to_write_to_if_the_installation_says_so(settings: object) -> None:
    assert Client().get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@example.org"  # type: ignore[attr-defined] # pytest-django's
    told = Client().get("/.well-known/security.txt")
    assert told["Content-Type"] == "text/plain; charset=utf-8"
    contact, expires = told.content.decode().splitlines()
    assert contact == "Contact: mailto:security@example.org"
    assert datetime.fromisoformat(expires.removeprefix("Expires: ")) > timezone.now()
