"""Programs and staff who talk to servers over HTTP."""

import os
import subprocess
import sys
from typing import Any, NamedTuple

import pytest
import requests
from django.contrib.auth.models import User

from tests.conftest import hashed
from tests.servers import ROOT

PASSWORD = "a long pass phrase"


class Answer(NamedTuple):
    status: int
    source: str | None
    body: Any


class Program:
    """A client of the REST API, on any server."""

    def __init__(self, url: str) -> None:
        self.headers: dict[str, str] = {}
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
        self.headers["Authorization"], self._refresh = f"Bearer {tokens['token']}", tokens["refresh"]

    def _ask(self, method: str, url: str, body: object = None) -> Answer:
        response = requests.request(method, url, json=body, headers=self.headers, timeout=15)
        response.raise_for_status()
        return Answer(response.status_code, response.headers.get("X-Cache"), response.json())


class Staff:
    """
    Somebody in the admin.

    Attributes:
        url: of the server they are sent to, which may change: they stay logged in.
    """

    def __init__(self, url: str) -> None:
        self.url, self._browser = url, requests.Session()
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
        self._browser.get(self.url + path, timeout=15)
        fields["csrfmiddlewaretoken"] = self._browser.cookies["csrftoken"]
        return self._browser.post(self.url + path, fields, timeout=15).text


def drain(url: str) -> None:
    """As Kubernetes does before it stops a server, but without waiting."""
    port = url.rpartition(":")[2]
    subprocess.run([sys.executable, "-m", "pmo.drain", "0"], cwd=ROOT, env=os.environ | {"PORT": port}, check=True)


@pytest.fixture
def staff_user(committed_db: None) -> User:
    return User.objects.create(username="staff", password=hashed(PASSWORD), is_staff=True, is_superuser=True)
