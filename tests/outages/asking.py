"""What is asked of a server: read, write, list, login, admin; and what is a proper answer."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.outages.prepare import CHANGED, PASSWORD, READ, USERNAME, Prepared

OPERATIONS = ("read", "write", "list", "login", "admin")
HANGS_SECONDS = 15
"""Without an answer by then there is none."""
UNAVAILABLE_PAGE = "Not available right now"


@dataclass(frozen=True)
class Answer:
    """
    One answer.

    Attributes:
        status: 0 if there was none.
        reason: for an error, the code in its body, or what else it was.
        source: the header `X-Cache`.
        label: of the entity type, in the answer to a read.
    """

    status: int
    seconds: float
    reason: str = ""
    source: str = ""
    label: str = ""
    may_retry: bool = False

    @property
    def is_good(self) -> bool:
        return self.status == 200

    @property
    def is_explained(self) -> bool:
        """Whether it is good, or says why not and when to try again."""
        return self.is_good or (self.status == 503 and bool(self.reason) and self.may_retry)

    @property
    def text(self) -> str:
        """For the table."""
        return f"{self.status} {self.reason or self.source}".strip()


class Client:
    """Asks servers as one user."""

    def __init__(self, prepared: Prepared) -> None:
        self._token = {"Authorization": f"Bearer {prepared.token}", "Content-Type": "application/json"}
        self._session = {"Cookie": f"sessionid={prepared.session}"}

    def ask(self, url: str, operation: str, label: str = "") -> Answer:
        """One request for one of `OPERATIONS`; `label` is what a write writes."""
        match operation:
            case "write":
                return _send("PATCH", f"{url}/api/v1/entity/{CHANGED}", self._token, {"label": label})
            case "list":
                return _send("GET", f"{url}/api/v1/entity/types", self._token)
            case "login":
                credentials = {"username": USERNAME, "password": PASSWORD}
                return _send("POST", f"{url}/api/v1/auth/login", {"Content-Type": "application/json"}, credentials)
            case "admin":
                return _send("GET", f"{url}/admin/entities/entity/", self._session)
            case _:
                return self.read(url, READ)

    def read(self, url: str, code: str) -> Answer:
        return _send("GET", f"{url}/api/v1/entity/type/{code}", self._token)


class _Stays(urllib.request.HTTPRedirectHandler):
    """A page that sends us to the login is no answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Stays)


def _send(method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Answer:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, dict(headers), method=method)
    begun = time.monotonic()
    try:
        with _opener.open(request, timeout=HANGS_SECONDS) as response:
            return _judge(response.status, response.headers, response.read().decode(), time.monotonic() - begun)
    except urllib.error.HTTPError as error:
        with error:
            return _judge(error.code, error.headers, error.read().decode(), time.monotonic() - begun)
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        return Answer(0, time.monotonic() - begun, f"no answer: {error}")


def _judge(status: int, headers: Any, text: str, seconds: float) -> Answer:
    source, may_retry = headers.get("X-Cache", ""), bool(headers.get("Retry-After"))
    try:
        body = json.loads(text)
    except ValueError:
        is_said = UNAVAILABLE_PAGE in text
        reason = "page" if is_said else "" if status == 200 else text[:60]
        return Answer(status, seconds, reason, source, may_retry=may_retry)
    if isinstance(body, dict):
        return Answer(
            status, seconds, body.get("code", "") if status != 200 else "", source, body.get("label", ""), may_retry
        )
    return Answer(status, seconds, "", source)
