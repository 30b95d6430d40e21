"""What outages and soak ask of a server, and what is a proper answer."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tests.outages.prepare import CHANGED, PASSWORD, READ, USERNAME, Prepared
from tests.stage import Answer as Received
from tests.stage import ask

REQUESTS = {
    "read": ("GET", f"/api/v1/entity/type/{READ}"),
    "read changing": ("GET", f"/api/v1/entity/type/{CHANGED}"),
    "write": ("PATCH", f"/api/v1/entity/{CHANGED}"),
    "list": ("GET", "/api/v1/entity/types"),
    "several": ("GET", f"/api/v1/entity/types?codes={READ},{CHANGED}"),
    "unknown": ("GET", "/api/v1/entity/type/{}"),
    "login": ("POST", "/api/v1/auth/login"),
    "admin": ("GET", "/admin/entities/entity/"),
}
OPERATIONS = ("read", "write", "list", "login", "admin")
"""Those of the matrix."""
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
    expected: int = 200

    @property
    def is_good(self) -> bool:
        return self.status == self.expected

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
        """One request on a connection of its own; see `ask_by`."""
        return self.ask_by(partial(ask, port), operation, label)

    def ask_by(self, send: Callable[..., Received], operation: str, label: str = "") -> Answer:
        """
        The answer as it is; a page that sends us to the login is none.

        Args:
            send: as `tests.stage.send`, which has a connection already.
            label: what a write writes, or the code of an unknown entity type.
        """
        method, path = REQUESTS[operation]
        by = {"login": {}, "admin": {"session": self._prepared.session}}.get(operation, {"token": self._prepared.token})
        body = {"write": {"label": label}, "login": {"username": USERNAME, "password": PASSWORD}}.get(operation)
        begun = time.monotonic()
        try:
            status, headers, received = send(method, path.format(label), body=body, **by)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, time.monotonic() - begun, f"no answer: {type(error).__name__}: {error}")
        answer = Answer(
            status,
            time.monotonic() - begun,
            source=headers.get("x-cache", ""),
            may_retry=bool(headers.get("retry-after")),
            expected=404 if operation == "unknown" else 200,
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
