"""API servers called over HTTP: the one being verified, and short-lived ones of our own beside it."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from pmo.environment.listener import Listener, probe_port
from pmo.run.restarts import DidNotStart
from pmo.run.web_server import WebServer

ANSWER_LIMIT_SECONDS = 15
REDIRECTS = (301, 302, 307, 308)


class InstanceFailed(Exception):
    """A server could not be reached or answered unexpectedly; the message says which and how."""


class Answer(NamedTuple):
    """
    Attributes:
        source: the `X-Cache` header; empty if absent.
        location: the `Location` header; usually empty.
    """

    status: int
    source: str
    body: bytes
    location: str


@dataclass(frozen=True)
class Instance:
    """One server; `name` is what people are shown."""

    name: str
    url: str
    token: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self, code: str) -> Answer:
        """One entity type, as clients get it."""
        return self._call("GET", f"/api/v1/entity/type/{code}", expect=200)

    def create(self, **fields: Any) -> None:
        self._call("POST", "/api/v1/entity", fields, expect=201)

    def replace_children(self, code: str, children: list[str]) -> None:
        body = {"child_entity_codes": children, "mode": "replace"}
        self._call("PUT", f"/api/v1/entity/{code}/children", body, expect=200)

    def invalidate(self, code: str) -> None:
        self._call("DELETE", f"/api/v1/entity/cache/{code}", expect=200)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, *, expect: int) -> Answer:
        try:
            answer = self._exchange(method, path, b"" if body is None else json.dumps(body).encode())
        except (OSError, http.client.HTTPException) as error:
            problem = f"{self.name} at {self.url} does not answer {method} {path}: {error}"
            raise InstanceFailed(f"{problem} (where it does: --url)") from error
        if answer.status in REDIRECTS:
            raise InstanceFailed(f"{self.name} at {self.url} sends {method} {path} to {answer.location}: set --url.")
        if answer.status != expect:
            said = answer.body[:300].decode(errors="replace")
            raise InstanceFailed(f"{self.name} answers {method} {path} with status {answer.status}: {said}")
        return answer

    def _exchange(self, method: str, path: str, body: bytes) -> Answer:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=ANSWER_LIMIT_SECONDS)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **self.headers}
        try:
            connection.request(method, parts.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            source, location = (response.headers.get(name, "") for name in ("X-Cache", "Location"))
            return Answer(response.status, source, response.read(), location)
        finally:
            connection.close()


@contextmanager
def own_instance(name: str, token: str) -> Iterator[Instance]:
    """
    Serve the same database and Redis from another process, on a free port, while the block runs.

    Raises:
        InstanceFailed: it did not start.
    """
    listener = Listener(port=probe_port(Listener.host), workers=1)
    with tempfile.TemporaryFile() as output:
        try:
            with WebServer(listener, listener.host, os.environ, output):
                yield Instance(name, listener.url(), token, headers_past_proxy())
        except DidNotStart as error:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()[-500:]
            raise InstanceFailed(f"{name} did not start: {said or error}") from None


def headers_past_proxy() -> dict[str, str]:
    """The headers a production proxy would send: an allowed host, and that TLS was used."""
    names = [name.removeprefix(".") for name in settings.ALLOWED_HOSTS]
    headers = {} if not names or {"*", "127.0.0.1"} & set(names) else {"Host": names[0]}
    if getattr(settings, "SECURE_SSL_REDIRECT", False):
        headers["X-Forwarded-Proto"] = "https"
    return headers
