"""
The express lane: replays a response that Django produced, while everything it rests on is known to hold.

    application = with_express_lane(get_wsgi_application())

It decides nothing itself. A view marks its response with `allow_replay`: which copies in this process's memory it was
made of, and until when whoever asked may be trusted. While those leases last, a request that is the same in all that
the answer can depend on gets the same status, headers and body, without Django.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from time import monotonic_ns
from typing import Any, NamedTuple

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from cache_layer.activity import count_replay
from cache_layer.local_store import Copy
from cache_layer.metrics import ANSWER_ERRORS, ANSWER_SECONDS
from cache_layer.options import get_options
from cache_layer.renewal import Renewer

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

KEY_HEADERS = (
    "Authorization",
    "Host",
    "Accept",
    "Accept-Encoding",
    "Cookie",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Unmodified-Since",
    "Origin",
    "Range",
    "X-Forwarded-Proto",
)
"""The request headers an answer may depend on; one whose `Vary` names another is not replayed."""

KEY_VARIABLES = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_LENGTH",
    "wsgi.url_scheme",
    *(f"HTTP_{name.upper().replace('-', '_')}" for name in KEY_HEADERS),
)

_SOURCES = ("L1", "L2", "DB", "BYPASS", "STALE")

BODY_BYTES, KEY_CHARACTERS, COPIES = 256 * 1024, 8 * 1024, 50
"""A response with a longer body, to a longer request, or made of more entries is not kept."""


class Terms(NamedTuple):
    """
    On which terms a response may be replayed.

    Attributes:
        copies: the entries in this process's memory that it was made of.
        trusted_until_ns: on the monotonic clock.
        headers: those that a replay has other values of.
    """

    copies: tuple[Copy, ...]
    trusted_until_ns: int
    headers: dict[str, str]

    def hold(self, now_ns: int) -> bool:
        """Whether they all do."""
        if now_ns >= self.trusted_until_ns:
            return False
        for copy in self.copies:  # noqa: SIM110 - `all` takes three times as long
            if now_ns >= copy.until_ns:
                return False
        return True


class Replay(NamedTuple):
    terms: Terms
    status: str
    headers: Headers
    body: bytes


def allow_replay(response: HttpResponse, copies: tuple[Copy, ...], trusted_until_ns: int, **headers: str) -> None:
    """
    Let the express lane give this response again, while the leases of `copies` last.

    Args:
        copies: everything the response was made of; a response made of none is never replayed.
        trusted_until_ns: `monotonic_ns()` up to which whoever asked may have this answer.
        headers: what Django would say otherwise in a second answer; underscores stand for hyphens.
    """
    if copies:
        others = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        response.replay_terms = Terms(copies, trusted_until_ns, others)  # type: ignore[attr-defined] # for ExpressLane


class ExpressLane:
    """A WSGI application in front of Django's, with at most `entries` responses in memory; dead ones go first."""

    def __init__(self, application: Application, entries: int) -> None:
        self.application = application
        self.entries = entries
        self._renewer = Renewer()
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start empty, also in a forked child whose parent may have been holding the lock."""
        self._lock = threading.Lock()
        self._replays: dict[tuple[Any, ...], Replay] = {}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        key = tuple(map(environ.get, KEY_VARIABLES))
        replay = self._replays.get(key)
        if replay is not None:
            now_ns = monotonic_ns()
            if replay.terms.hold(now_ns):
                count_replay(replay.terms.copies)
                self._renewer.note_use(replay.terms.copies, now_ns)
                start_response(replay.status, replay.headers.copy())
                return [replay.body]
        begun_ns = monotonic_ns()
        started: list[Any] = []

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            started[:] = [status, headers]
            return start_response(status, headers, *exc_info)

        response = self.application(environ, start)
        _count_answer(response, monotonic_ns() - begun_ns)
        terms: Terms | None = getattr(response, "replay_terms", None)
        if terms is not None and isinstance(response, HttpResponse):
            self._keep(key, response, terms, *started)
        return response

    def _keep(self, key: tuple[Any, ...], response: HttpResponse, terms: Terms, status: str, headers: Headers) -> None:
        if not self.entries or not terms.hold(monotonic_ns()) or len(response.content) > BODY_BYTES:
            return
        if sum(map(len, filter(None, key))) > KEY_CHARACTERS or len(terms.copies) > COPIES:
            return
        if response.cookies or not _varies_by_key_alone(response):
            return
        headers = [(name, terms.headers.get(name.lower(), value)) for name, value in headers]
        now_ns = monotonic_ns()
        with self._lock:
            self._replays.pop(key, None)
            while self._replays:
                oldest = next(iter(self._replays))
                if len(self._replays) < self.entries and now_ns < self._replays[oldest].terms.trusted_until_ns:
                    break
                del self._replays[oldest]
            self._replays[key] = Replay(terms, status, headers, response.content)

    def __len__(self) -> int:
        return len(self._replays)


def with_express_lane(application: Application) -> Application:
    """The application behind the express lane, which counts its answers even if it keeps none."""
    return ExpressLane(application, get_options().express_lane)


def _count_answer(response: Any, took_ns: int) -> None:
    """Note how long Django took, by where the answer says that it comes from."""
    if isinstance(response, HttpResponseBase):
        source = response.get("X-Cache", "none")
        ANSWER_SECONDS.labels(source if source in _SOURCES else "none").observe(took_ns / 1e9)
        if response.status_code >= 500:
            ANSWER_ERRORS.inc()


def _varies_by_key_alone(response: HttpResponse) -> bool:
    known = {name.lower() for name in KEY_HEADERS}
    return all(name.strip() in known for name in response.get("Vary", "").lower().split(",") if name)
