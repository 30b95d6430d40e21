"""API servers called over HTTP: the one being verified, and short-lived ones of our own beside it."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import urllib3
from django.conf import settings

from pmo.environment.listener import Listener, probe_port
from pmo.run.restarts import DidNotStart
from pmo.run.web_server import WebServer

ANSWER_LIMIT_SECONDS = 15


class InstanceFailed(Exception):
    """A server could not be reached or answered unexpectedly; the message says which and how."""


class Answer(NamedTuple):
    """The `X-Cache` header, empty if absent, and the body."""

    source: str
    body: bytes


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
        headers = {"Authorization": f"Bearer {self.token}", "Connection": "close", **self.headers}
        url = self.url.rstrip("/") + path
        try:
            response = urllib3.request(
                method, url, json=body, headers=headers, timeout=ANSWER_LIMIT_SECONDS, retries=False, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            problem = f"{self.name} at {self.url} does not answer {method} {path}: {error}"
            raise InstanceFailed(f"{problem} (where it does: --url)") from error
        if location := response.get_redirect_location():
            raise InstanceFailed(f"{self.name} at {self.url} sends {method} {path} to {location}: set --url.")
        if response.status != expect:
            said = response.data[:300].decode(errors="replace")
            raise InstanceFailed(f"{self.name} answers {method} {path} with status {response.status}: {said}")
        return Answer(response.headers.get("X-Cache", ""), response.data)


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
            with WebServer(listener, os.environ, output):
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
