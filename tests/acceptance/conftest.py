"""Programs and staff who talk to servers over HTTP."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User

from tests.conftest import hashed

PASSWORD = "a long pass phrase"


class Answer(NamedTuple):
    status: int
    source: str | None
    body: Any


class Program:
    """A client of the REST API, on any server."""

    def __init__(self, url: str) -> None:
        self._get_tokens(f"{url}/api/v1/auth/login", username="staff", password=PASSWORD)

    def read(self, url: str, code: str) -> Answer:
        return self._ask("GET", f"{url}/api/v1/entity/type/{code}")

    def change(self, url: str, code: str, **fields: object) -> Answer:
        return self._ask("PATCH", f"{url}/api/v1/entity/{code}", fields)

    def create(self, url: str, code: str) -> Answer:
        return self._ask(
            "POST", f"{url}/api/v1/entity", {"code": code, "label": code, "label_plural": code, "icon": "Flag"}
        )

    def renew_tokens(self, url: str) -> None:
        self._get_tokens(f"{url}/api/v1/auth/refresh", refresh=self._refresh)

    def _get_tokens(self, url: str, **shown: str) -> None:
        tokens = self._ask("POST", url, shown).body
        self._token, self._refresh = tokens["token"], tokens["refresh"]

    def _ask(self, method: str, url: str, body: object = None) -> Answer:
        request = urllib.request.Request(url, method=method, data=json.dumps(body).encode() if body else None)
        request.add_header("Content-Type", "application/json")
        if hasattr(self, "_token"):
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=15) as response:
            return Answer(response.status, response.headers["X-Cache"], json.loads(response.read()))


class Staff:
    """
    Somebody in the admin.

    Attributes:
        url: of the server they are sent to, which may change: they stay logged in.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._submit("/admin/login/?next=/admin/", username="staff", password=PASSWORD)

    def rename(self, code: str, label: str) -> None:
        page = self._submit(
            f"/admin/entities/entity/{code}/change/",
            label=label,
            label_plural=f"{label}s",
            icon="Flag",
            display_order="0",
            active_flag="on",
        )
        assert "was changed successfully" in page

    def _submit(self, path: str, **fields: str) -> str:
        with self._browser.open(self.url + path, timeout=15) as response:
            form = response.read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token
        fields["csrfmiddlewaretoken"] = token[1]
        with self._browser.open(self.url + path, urllib.parse.urlencode(fields).encode(), timeout=15) as response:
            return str(response.read().decode())


@pytest.fixture
def staff_user(committed_db: None) -> User:
    return User.objects.create(username="staff", password=hashed(PASSWORD), is_staff=True, is_superuser=True)
