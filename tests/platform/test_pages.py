"""The first page says where to go by who asks; from where nothing is, or nobody may go, there is a way back."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from tests.admin.conftest import staff_client
from tests.api.conftest import make_user
from tests.dashboard.conftest import staff_with

pytestmark = pytest.mark.django_db


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
