"""
The express lane: replays a response that Django produced while everything it rests on is unchanged.

    application = with_express_lane(get_wsgi_application())

It decides nothing itself, and keeps two questions apart. *What*: a view marks a response that is the same for everyone
who may read (`Admission.allow_replay`), and names the copies in this process's memory that it was made of. *Who*: the
authentication says that the sender of this `Authorization` header may read, and which copies that rests on
(`Admission`). While the copies of both may be used, the response is replayed without Django and without asking any
server; after that, Redis is asked whether it still has the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from cache_layer import clock
from cache_layer.activity import count_read, count_replay, count_replay_time
from cache_layer.memory.local_store import Copy
from cache_layer.metrics import ANSWER_ERRORS, ANSWER_SECONDS, SOURCES
from cache_layer.options import get_options
from cache_layer.serving.bounded_store import BoundedStore
from cache_layer.serving.renewal import Renewer
from cache_layer.serving.requests import VARIES_BY, WHO, Environ, Mark, key_of, mark_of

Headers = list[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

ADMISSION = "cache_layer.admission"
"""The variable of the WSGI environment with the sender's admission."""

BODY_BYTES, KEY_CHARACTERS, COPIES = 256 * 1024, 8 * 1024, 50
"""Limits for storing a response: the bytes of its body, the characters of its key, the entries it is made of."""
OVERHEAD_BYTES = 600
"""What an item takes besides its strings."""


@dataclass(eq=False, repr=False, slots=True)
class Admission:
    """
    The sender of an `Authorization` header may get responses that are the same for everyone who may read.

    Attributes:
        copies: the entries this rests on.
        until_ns: `monotonic_ns()` at which it ends in any case.
        user: the sender, for the views.
    """

    copies: tuple[Copy, ...]
    until_ns: int
    user: Any
    used: bool = False
    size_bytes: int = 0

    @staticmethod
    def of(environ: Mapping[str, Any]) -> Admission | None:
        """The sender's, if it is known and still valid; `environ` is a request's `META`."""
        return environ.get(ADMISSION)

    def note(self, environ: Environ) -> None:
        """Make it the sender's, for the views."""
        environ[ADMISSION] = self

    def allow_replay(
        self, response: HttpResponse, copies: tuple[Copy, ...], *, local: Mapping[str, str], asked: Mapping[str, str]
    ) -> None:
        """
        Let the express lane replay this response, which must be the same for everyone who may read.

        Args:
            copies: everything it was made of; without copies it is never replayed.
            local, asked: headers, in lower case, whose values differ when it is replayed from memory, or after asking
                Redis.
        """
        if copies:
            response.replay_terms = Terms(copies, self, (local, asked))  # type: ignore[attr-defined] # for ExpressLane


class Terms(NamedTuple):
    """What `Admission.allow_replay` was told, for the express lane; the admission is the original sender's."""

    copies: tuple[Copy, ...]
    admission: Admission
    headers: tuple[Mapping[str, str], Mapping[str, str]]


class Replay:
    """A response that can be replayed."""

    __slots__ = ("asked_headers", "body", "copies", "headers", "size_bytes", "status", "used")

    def __init__(self, terms: Terms, status: str, headers: Headers, body: bytes, key: tuple[Any, ...]) -> None:
        self.copies, self.status, self.body = terms.copies, status, body
        self.headers, self.asked_headers = (
            [(name, others.get(name.lower(), value)) for name, value in headers] for others in terms.headers
        )
        self.used = False
        texts = chain(filter(None, key), *self.headers)
        self.size_bytes = OVERHEAD_BYTES + sys.getsizeof(body) + 2 * sum(map(sys.getsizeof, texts))


class ExpressLane:
    """A WSGI application in front of Django's that stores at most `limit_bytes` of responses and admissions."""

    def __init__(self, application: Application, limit_bytes: int) -> None:
        self.application = application
        self.store = BoundedStore(limit_bytes)
        self._renewer = Renewer()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        now_ns = clock.monotonic_ns()
        key, who = key_of(environ), mark_of(environ.get(WHO, ""))
        admission: Admission | None = self.store.find(who)
        if admission is not None:
            replay: Replay | None = self.store.find(key)
            renewer = self._renewer
            if now_ns >= admission.until_ns:
                self.store.drop(who, admission)
            elif replay is not None and renewer.use(replay.copies + admission.copies, now_ns):
                admission.used = replay.used = True
                count_replay(replay.copies)
                if not renewer.threads:
                    renewer.want()
                start_response(replay.status, replay.headers.copy())
                if not now_ns & 63:  # times about one in 64
                    count_replay_time(clock.monotonic_ns() - now_ns)
                return [replay.body]
            elif self._ask_again(key, who, replay, admission) and replay is not None:
                for copy in replay.copies:
                    count_read("L2", copy.key)
                start_response(replay.status, replay.asked_headers.copy())
                ANSWER_SECONDS.labels("L2").observe((clock.monotonic_ns() - now_ns) / 1e9)
                return [replay.body]
            elif self.store.find(who) is admission:
                environ[ADMISSION] = admission
        return self._respond(key, who, environ, start_response)

    def _ask_again(self, key: Any, who: Mark, replay: Replay | None, admission: Admission) -> bool:
        """Whether Redis still has the bytes of lapsed copies; forgets what changed, so that nobody asks in vain."""
        gone = self._renewer.renew(admission.copies if replay is None else replay.copies + admission.copies)
        for name, item in ((who, admission), (key, replay)):
            if item is not None:
                item.used = item.used or not gone
                if not gone.isdisjoint(item.copies):
                    self.store.drop(name, item)
        return not gone

    def _respond(
        self, key: tuple[Any, ...], who: Mark, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Let Django respond, and store the response if it may be replayed."""
        begun_ns = clock.monotonic_ns()
        started: list[Any] = []

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            started[:] = [status, headers]
            return start_response(status, headers, *exc_info)

        response = self.application(environ, start)
        _count_response(response, clock.monotonic_ns() - begun_ns)
        terms: Terms | None = getattr(response, "replay_terms", None)
        if terms is not None and isinstance(response, HttpResponse) and who and self.store.limit_bytes:
            self._keep_admission(who, terms.admission)
            if _may_be_stored(key, response, terms):
                status, headers = started
                self.store.keep(key, Replay(terms, status, headers, response.content, key))
        return response

    def _keep_admission(self, who: Mark, admission: Admission) -> None:
        if self.store.find(who) is not admission:
            admission.size_bytes = OVERHEAD_BYTES
            admission.size_bytes += sum(sys.getsizeof(copy.payload) + OVERHEAD_BYTES for copy in admission.copies)
            self.store.keep(who, admission)


def with_express_lane(application: Application) -> Application:
    """Put the application behind the express lane, which counts responses even if it stores none."""
    return ExpressLane(application, get_options().express_lane_bytes)


def _count_response(response: Any, took_ns: int) -> None:
    """Record how long Django took, by the source in the response's `X-Cache`."""
    if isinstance(response, HttpResponseBase):
        source = response.get("X-Cache", "none")
        ANSWER_SECONDS.labels(source if source in SOURCES else "none").observe(took_ns / 1e9)
        if response.status_code >= 500:
            ANSWER_ERRORS.inc()


def _may_be_stored(key: tuple[Any, ...], response: HttpResponse, terms: Terms) -> bool:
    """Whether a response is the same for everyone with this key, and small enough to store."""
    is_small = (
        len(response.content) <= BODY_BYTES
        and len(terms.copies) <= COPIES
        and sum(map(len, filter(None, key))) <= KEY_CHARACTERS
    )
    varies_by = (name.strip() for name in response.get("Vary", "").lower().split(",") if name)
    return is_small and not response.cookies and all(name in VARIES_BY for name in varies_by)
