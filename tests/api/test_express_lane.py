"""The express lane: what Django would say, without Django, and never for longer or to others than Django would."""

import functools
import io
import os
from collections.abc import Callable, Iterable
from time import monotonic_ns
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.http import HttpResponse
from rest_framework_simplejwt.tokens import AccessToken

import cache_layer.clock
from cache_layer.memory.local_store import Copy
from cache_layer.protocol.scripts import hold_keys
from cache_layer.serving import renewal
from cache_layer.serving.express import (
    ADMISSION,
    BODY_BYTES,
    COPIES,
    KEY_CHARACTERS,
    Admission,
    Application,
    Environ,
    ExpressLane,
    with_express_lane,
)
from cache_layer.serving.requests import KEY_HEADERS
from pmo.web.requests import make_application
from tests.api.conftest import make_user
from tests.conftest import make_entity, make_linked

TYPE, TYPES = "/api/v1/entity/type/project", "/api/v1/entity/types"
MS = 1_000_000


class Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Counted:
    """An application that counts how often it is asked."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.asked = 0

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked += 1
        return self.application(environ, start_response)


class Server:
    """A server's inside: Django, counted, with the express lane in front of it or without."""

    def __init__(self, application: Application | None = None, limit_bytes: int = 1_000_000) -> None:
        self.is_django = application is None
        self.django = Counted(application or make_application())
        self.lane = ExpressLane(self.django, limit_bytes)

    def ask(self, path: str = TYPE, *, directly: bool = False, **variables: str) -> Answer:
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "4000",
            "HTTP_HOST": "localhost:4000",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(variables.pop("body", "").encode()),
        }
        said: list[Any] = []
        application = self.django if directly else self.lane
        parts = application(environ | variables, lambda status, headers: said.extend((status, headers)))
        answer = Answer(*said, b"".join(parts))
        if self.is_django and isinstance(parts, HttpResponse):
            parts.close()  # Django looks at its connections then
        return answer


@pytest.fixture(autouse=True)
def _no_session_left(request: pytest.FixtureRequest) -> None:
    """The end of a request looks at an open session, also where a test may not."""
    if not {"db", "transactional_db"} & set(request.fixturenames):
        connections.close_all()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time in ns, as the lane and this process's memory see it."""
    now = [monotonic_ns()]

    def wait(seconds: float) -> None:
        now[0] += int(seconds * 1e9)

    monkeypatch.setattr(cache_layer.clock, "monotonic_ns", lambda: now[0])
    monkeypatch.setattr(cache_layer.clock, "sleep", wait)  # else who waits for a moment would wait for ever
    monkeypatch.setattr(renewal.Renewer, "want", renewal.Renewer.renew_used)  # a thread sleeps by another clock
    return now


@pytest.fixture
def user(committed_db: None) -> User:
    return make_user("reader", "change")


@pytest.fixture
def token(user: User) -> str:
    return f"Bearer {AccessToken.for_user(user)}"


@pytest.fixture
def server(clock: list[int], token: str, set_options: Callable[..., None]) -> Server:
    """One whose copies live for two seconds."""
    set_options(local_lease_ms=1)
    make_linked("task", project="task")
    for number in range(8):
        make_entity(f"type_{number}", active_flag=number > 0)
    set_options(local_lease_ms=2_000)
    return Server()


ANYTHING: dict[str, list[str]] = {
    "REQUEST_METHOD": ["GET", "HEAD", "OPTIONS", "DELETE", "get"],
    "QUERY_STRING": [
        "children=true",
        "children=false",
        "include_inactive=true",
        "include_inactive=false",
        "codes=task",
        "x=%ff",
        "&",
    ],
    "SCRIPT_NAME": ["/pmo"],
    "SERVER_NAME": ["evil.example"],
    "SERVER_PROTOCOL": ["HTTP/1.0"],
    "REMOTE_ADDR": ["192.0.2.1"],
    "REMOTE_USER": ["root"],
    "CONTENT_TYPE": ["application/json", "multipart/form-data; boundary=x", "text/plain; x*=BOGUS''v"],
    "wsgi.url_scheme": ["https"],
    "HTTP_ACCEPT": ["*/*", "text/html", "application/json;q=0"],
    "HTTP_ACCEPT_ENCODING": ["gzip", "zstd", "identity;q=0", "gzip;q=0, zstd"],
    "HTTP_ACCEPT_LANGUAGE": ["de"],
    "HTTP_AUTHORIZATION": [
        "OTHER",
        "bearer TOKEN",
        "Bearer  TOKEN",
        "Bearer TOKEN,x",
        "Bearer TOKENx",
        "Basic eDp4",
        "",
    ],
    "HTTP_CACHE_CONTROL": ["no-cache"],
    "HTTP_COOKIE": ["sessionid=x", f"csrftoken={'x' * 32}"],
    "HTTP_HOST": ["127.0.0.1", "evil.example", "localhost:1", "LOCALHOST", ""],
    "HTTP_IF_MATCH": ["*", '"x"'],
    "HTTP_IF_MODIFIED_SINCE": ["Sat, 01 Jan 2050 00:00:00 GMT"],
    "HTTP_IF_NONE_MATCH": ["*", "TAG", "W/TAG", '"x", TAG', '"x",W/TAG', "TAG-gzip", "x"],
    "HTTP_ORIGIN": ["https://evil.example"],
    "HTTP_RANGE": ["bytes=0-3"],
    "HTTP_TRANSFER_ENCODING": ["chunked"],
    "HTTP_USER_AGENT": ["x"],
    "HTTP_X_FORWARDED_FOR": ["192.0.2.1"],
    "HTTP_X_FORWARDED_HOST": ["evil.example"],
    "HTTP_X_FORWARDED_PROTO": ["https"],
    "HTTP_X_HTTP_METHOD_OVERRIDE": ["DELETE"],
    "HTTP_X_REQUESTED_WITH": ["XMLHttpRequest"],
}
"""What of a request an answer might depend on; `TOKEN`, `OTHER` and `TAG` stand for right ones."""
PATHS = [TYPE, f"{TYPES}/", f"/{TYPES}", f"{TYPES}\0", f"{TYPES}\xff", TYPES.upper(), "/api/v1/entity/type/unknown"]


REPLAYED = {
    *(("path", TYPE), ("REQUEST_METHOD", "HEAD"), ("QUERY_STRING", "include_inactive=false")),
    *(("HTTP_IF_NONE_MATCH", "*"), ("HTTP_ACCEPT_ENCODING", "gzip"), ("HTTP_ACCEPT_ENCODING", "zstd")),
}
"""What the lane answers itself, of what is asked twice."""


def test_whatever_is_asked_the_lane_says_what_django_says(server: Server, user: User, token: str) -> None:
    """Every request that differs in one thing from one that is in its memory, and those before it."""
    tag = dict(server.ask(TYPES, HTTP_AUTHORIZATION=token).headers)["ETag"]
    right = {"OTHER": f"Bearer {AccessToken.for_user(user)}", "TOKEN": token.removeprefix("Bearer "), "TAG": tag}
    differing = [(name, value) for name, values in ANYTHING.items() for value in values]
    wrong, replayed = [], set()
    for name, value in [*differing, *(("path", path) for path in PATHS)]:
        said = functools.reduce(lambda text, word: text.replace(word, right[word]), right, value)
        asked: dict[str, Any] = {"path": TYPES, "HTTP_AUTHORIZATION": token, name: said}
        server.ask(**asked)
        before = server.django.asked
        if server.ask(**asked) != server.ask(directly=True, **asked):
            wrong.append((name, value))
        if server.django.asked == before + 1:
            replayed.add((name, value))
    assert wrong == []
    assert replayed >= REPLAYED


def test_everything_else_is_django_s(server: Server, token: str, subtests: pytest.Subtests) -> None:
    asked: list[tuple[str, dict[str, str]]] = [
        (TYPE, {"HTTP_AUTHORIZATION": ""}),
        (TYPE, {"HTTP_AUTHORIZATION": "Bearer nonsense"}),
        ("/api/v1/entity/type/unknown", {}),
        (f"{TYPE}?include_inactive=true", {}),
        (f"{TYPE}?misspelt=true", {}),
        (TYPE, {"REQUEST_METHOD": "DELETE"}),
        ("/healthz", {}),
    ]
    for number, (path, variables) in enumerate(asked, start=1):
        for _ in range(2):
            server.ask(path, **{"HTTP_AUTHORIZATION": token} | variables)
        with subtests.test(path, variables=variables):
            assert server.django.asked == 2 * number
            assert len(server.lane.store) == 0


def test_a_request_that_differs_is_another_one(server: Server, token: str, subtests: pytest.Subtests) -> None:
    server.ask(HTTP_AUTHORIZATION=token)
    differing: list[dict[str, str]] = [
        {"PATH_INFO": "/api/v1/entity/type/task"},
        {"QUERY_STRING": "include_inactive=true"},
        {"REQUEST_METHOD": "HEAD"},
        {"SCRIPT_NAME": "/pmo"},
        {"CONTENT_LENGTH": "2", "body": "{}"},
        {"CONTENT_TYPE": "application/json"},
        {"wsgi.url_scheme": "https"},
        {"HTTP_AUTHORIZATION": "Bearer another"},
        *({f"HTTP_{name.upper().replace('-', '_')}": "elsewhere.example"} for name in KEY_HEADERS),
    ]
    for number, variable in enumerate(differing, start=1):
        server.ask(**{"HTTP_AUTHORIZATION": token} | variable)
        with subtests.test(variable=variable):
            assert server.django.asked == 1 + number


def test_a_replay_ends_with_the_lease_of_the_document(
    server: Server, token: str, clock: list[int], set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=50)
    server.ask(HTTP_AUTHORIZATION=token)
    hold_keys(["entity:metadata:project"], "a writer")  # so that it is not renewed
    clock[0] += 30 * MS
    server.ask(HTTP_AUTHORIZATION=token, HTTP_ACCEPT="*/*")  # answered from memory: the lease does not begin anew
    clock[0] += 19 * MS
    for accept in ({}, {"HTTP_ACCEPT": "*/*"}):
        server.ask(HTTP_AUTHORIZATION=token, **accept)
    assert server.django.asked == 2
    clock[0] += 1 * MS
    for accept in ({}, {"HTTP_ACCEPT": "*/*"}):
        server.ask(HTTP_AUTHORIZATION=token, **accept)
    assert server.django.asked == 4


def test_after_a_lapse_redis_is_asked_and_not_django(
    server: Server, token: str, clock: list[int], set_options: Callable[..., None], commands: list[str]
) -> None:
    set_options(local_lease_ms=50)
    server.ask(HTTP_AUTHORIZATION=token)
    clock[0] += 1_000 * MS
    server.ask(HTTP_AUTHORIZATION=token)
    for _ in range(5):
        commands.clear()
        clock[0] += 500 * MS
        answer = server.ask(HTTP_AUTHORIZATION=token)
        assert answer.status == "200 OK"
        assert ("X-Cache", "L2") in answer.headers
        assert commands in (["MGET"], ["MGET"] * 2)
        assert ("X-Cache", "L1") in server.ask(HTTP_AUTHORIZATION=token).headers
    assert server.django.asked == 1


@pytest.mark.parametrize("lapse_ms", [0, 5_000])
@pytest.mark.usefixtures("user")
def test_a_replay_ends_with_the_user(
    server: Server, token: str, clock: list[int], set_options: Callable[..., None], lapse_ms: int
) -> None:
    set_options(local_lease_ms=20)
    server.ask(HTTP_AUTHORIZATION=token)
    assert server.ask(HTTP_AUTHORIZATION=token).status == "200 OK"
    assert server.django.asked == 1
    User.objects.update(is_active=False)
    clock[0] += (20 + lapse_ms) * MS
    assert server.ask(HTTP_AUTHORIZATION=token).status == "401 Unauthorized"
    assert server.django.asked == 2


def answering(response: Callable[[], HttpResponse], copies: int = 1, limit_bytes: int = 10_000) -> Server:
    """A server whose application gives this response to anybody, and lets it be replayed for a second."""

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = response()
        copy = Copy("a key", None, b"")
        copy.until_ns = monotonic_ns() + 1_000 * MS
        admission = environ.get(ADMISSION) or Admission((copy,), copy.until_ns, None)
        admission.allow_replay(answer, (copy,) * copies, local={}, asked={})
        start_response("200 OK", list(answer.items()))
        return answer

    return Server(application, limit_bytes=limit_bytes)


def replays(server: Server, *paths: str) -> int:
    """How many of these are in its memory."""
    asked = server.django.asked
    for path in paths:
        server.ask(path, HTTP_AUTHORIZATION="Bearer x")
    return len(paths) - (server.django.asked - asked)


def with_cookie() -> HttpResponse:
    response = HttpResponse(b"x")
    response.set_cookie("seen", "yes")
    return response


@pytest.mark.parametrize(
    ("response", "limit_bytes"),
    [
        (with_cookie, 1_000_000),
        (lambda: HttpResponse(b"x", headers={"Vary": "Authorization, X-Tenant"}), 1_000_000),
        (lambda: HttpResponse(b"x", headers={"Vary": "*"}), 1_000_000),
        (lambda: HttpResponse(b"x" * (BODY_BYTES + 1)), 1_000_000),
        (lambda: HttpResponse(b"x" * 20_000), 10_000),
    ],
)
def test_what_is_meant_for_one_request_or_too_long_is_not_kept(
    response: Callable[[], HttpResponse], limit_bytes: int
) -> None:
    server = answering(response, limit_bytes=limit_bytes)
    server.ask("/x", HTTP_AUTHORIZATION="Bearer x")
    assert replays(server, "/x") == 0
    assert server.lane.store.size_bytes <= limit_bytes


def test_the_answer_to_a_long_request_is_not_kept() -> None:
    server = answering(lambda: HttpResponse(b"x"), limit_bytes=1_000_000)
    for _ in range(2):
        server.ask(HTTP_AUTHORIZATION="Bearer x", HTTP_ACCEPT="x" * KEY_CHARACTERS)
    assert server.django.asked == 2


@pytest.mark.parametrize(("copies", "kept"), [(0, False), (1, True), (COPIES, True), (COPIES + 1, False)])
def test_only_an_answer_made_of_some_entries_and_not_of_very_many_is_kept(copies: int, kept: bool) -> None:
    server = answering(lambda: HttpResponse(b"x"), copies)
    server.ask("/x", HTTP_AUTHORIZATION="Bearer x")
    assert replays(server, "/x") == kept


def test_nobody_else_is_given_what_was_kept_unless_they_were_admitted_themselves() -> None:
    server = answering(lambda: HttpResponse(b"x", headers={"Vary": "Authorization"}))
    for who, asked in (("Bearer a", 1), ("Bearer a", 1), ("Bearer b", 2), ("Bearer b", 2), ("", 3), ("Bearer c", 4)):
        server.ask(HTTP_AUTHORIZATION=who)
        assert server.django.asked == asked
    server.ask()
    assert server.django.asked == 5


def test_no_token_is_kept() -> None:
    server = answering(lambda: HttpResponse(b"x"))
    server.ask(HTTP_AUTHORIZATION="Bearer secret")
    assert len(server.lane.store) == 2
    assert "secret" not in str(list(server.lane.store._items))


def test_an_admission_ends_at_its_time_whatever_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    server = answering(lambda: HttpResponse(b"x"))
    server.ask(HTTP_AUTHORIZATION="Bearer a")
    (admission,) = (item for item in server.lane.store._items.values() if isinstance(item, Admission))
    admission.until_ns = monotonic_ns()
    server.ask(HTTP_AUTHORIZATION="Bearer a")
    assert server.django.asked == 2


@pytest.mark.parametrize("flood", ["paths", "headers", "tokens"])
def test_a_flood_displaces_nothing_that_is_in_use(flood: str) -> None:
    server = answering(lambda: HttpResponse(b"x", headers={"Vary": "Authorization, Accept"}), limit_bytes=100_000)
    in_use = [f"/{number}" for number in range(5)]
    replays(server, *in_use)
    for number in range(1_000):
        match flood:
            case "paths":
                server.ask(f"/flood/{number}", HTTP_AUTHORIZATION="Bearer x")
            case "headers":
                server.ask("/0", HTTP_AUTHORIZATION="Bearer x", HTTP_ACCEPT=f"text/{number}")
            case _:
                server.ask("/0", HTTP_AUTHORIZATION=f"Bearer {number}")
        if number % 10 == 0:
            assert replays(server, *in_use) == 5
        assert server.lane.store.size_bytes <= 100_000
    assert len(server.lane.store) > 10, "the memory is used"


def test_what_is_not_used_makes_room() -> None:
    server = answering(lambda: HttpResponse(b"x"), limit_bytes=20_000)
    for number in range(1_000):
        server.ask(f"/{number}", HTTP_AUTHORIZATION="Bearer x")
    assert 3 < len(server.lane.store) < 30
    assert replays(server, "/999") == 1
    assert replays(server, "/0") == 0


def test_a_server_may_change_the_headers_it_was_given() -> None:
    server = answering(lambda: HttpResponse(b"x"))
    for _ in range(3):
        answer = server.ask(HTTP_AUTHORIZATION="Bearer x")
        assert answer.headers
        answer.headers.clear()


def test_a_forked_child_starts_empty_and_can_lock() -> None:
    server = answering(lambda: HttpResponse(b"x"))
    server.ask(HTTP_AUTHORIZATION="Bearer x")
    assert len(server.lane.store) == 2
    with server.lane.store._lock:
        child = os.fork()
        if child == 0:
            os._exit(len(server.lane.store) + server.lane.store._lock.locked())
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("limit_bytes", [0, 700_000])
def test_one_setting_says_how_much_is_kept(set_options: Callable[..., None], limit_bytes: int) -> None:
    set_options(express_lane_bytes=limit_bytes)
    lane = with_express_lane(make_application())
    assert isinstance(lane, ExpressLane)
    assert lane.store.limit_bytes == limit_bytes
    server = answering(lambda: HttpResponse(b"x"), limit_bytes=limit_bytes)
    server.ask(HTTP_AUTHORIZATION="Bearer x")
    server.ask(HTTP_AUTHORIZATION="Bearer x")
    assert (server.django.asked, len(server.lane.store)) == ((1, 2) if limit_bytes else (2, 0))
