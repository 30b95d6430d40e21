"""What is asked of a server: read, write, list, login, admin; and what is a proper answer."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, replace
from typing import Any

from tests.outages.prepare import CHANGED, PASSWORD, READ, USERNAME, Prepared
from tests.stage import ask

OPERATIONS = ("read", "write", "list", "login", "admin")
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
        self._prepared = prepared

    def ask(self, port: int, operation: str, label: str = "") -> Answer:
        """One request for one of `OPERATIONS`; `label` is what a write writes."""
        token = self._prepared.token
        match operation:
            case "write":
                return _send(port, "PATCH", f"/api/v1/entity/{CHANGED}", token, {"label": label})
            case "list":
                return _send(port, "GET", "/api/v1/entity/types", token)
            case "login":
                return _send(port, "POST", "/api/v1/auth/login", body={"username": USERNAME, "password": PASSWORD})
            case "admin":
                return _send(port, "GET", "/admin/entities/entity/", session=self._prepared.session)
            case _:
                return self.read(port, READ)

    def read(self, port: int, code: str) -> Answer:
        return _send(port, "GET", f"/api/v1/entity/type/{code}", self._prepared.token)


def _send(port: int, method: str, path: str, token: str = "", body: Any = None, *, session: str = "") -> Answer:
    """The answer as it is; a page that sends us to the login is none."""
    begun = time.monotonic()
    try:
        status, headers, received = ask(port, method, path, token, body, session=session)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, time.monotonic() - begun, f"no answer: {error}")
    answer = Answer(
        status, time.monotonic() - begun, source=headers.get("x-cache", ""), may_retry=bool(headers.get("retry-after"))
    )
    text = received.decode()
    try:
        said = json.loads(text)
    except ValueError:
        reason = "page" if UNAVAILABLE_PAGE in text else "" if answer.is_good else text[:60]
        return replace(answer, reason=reason)
    if isinstance(said, dict):
        return replace(answer, reason="" if answer.is_good else said.get("code", ""), label=said.get("label", ""))
    return answer
