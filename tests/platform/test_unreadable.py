"""What can't be read is told, logged and counted; it is never taken for something that was not sent."""

import codecs
import encodings.aliases
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from rest_framework_simplejwt.tokens import AccessToken

from entities.models import Entity
from pmo.web.requests import MAX_BYTES, WholeStream
from tests.admin.conftest import staff_client
from tests.api.conftest import make_user
from tests.api.test_express_lane import Answer as Said
from tests.api.test_express_lane import Server
from tests.conftest import make_entity
from tests.servers import web_server

PROJECT, LOGIN = "/api/v1/entity/project", "/api/v1/auth/login"
JSON = "application/json"
PASSWORD = "correct horse battery staple"


class Answer:
    def __init__(self, said: Said) -> None:
        self.status, self.headers, self.text = int(said.status[:3]), dict(said.headers), said.body.decode()

    @property
    def code(self) -> str:
        said = json.loads(self.text)
        assert list(said) == ["code", "detail", "errors"]
        return str(said["code"])


class Chunks(io.BytesIO):
    """A body in chunks, each read alone, as servers may give them."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7_000, size if size is not None and size >= 0 else 7_000))


Ask = Callable[..., Answer]


@pytest.fixture
def ask() -> Ask:
    """Ask what a server would: the application behind the express lane, with variables as the server sets them."""
    server = Server()

    def ask(method: str, path: str, body: io.BytesIO | None = None, **variables: Any) -> Answer:
        return Answer(server.ask(path, REQUEST_METHOD=method, **variables | {"wsgi.input": body or io.BytesIO()}))

    return ask


def chunked(text: str | bytes, **variables: Any) -> dict[str, Any]:
    """What a server that knows where a body ends makes of one in chunks."""
    body = Chunks(text.encode() if isinstance(text, str) else text)
    described = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_TYPE": JSON}
    return described | {"body": body} | variables


@pytest.fixture
def editor(committed_db: None, set_options: Callable[..., None]) -> dict[str, str]:
    set_options(local_lease_ms=1)
    make_entity("task")
    make_entity("project", label="Old")
    user = make_user("editor", "add", "change", "delete")
    return {"HTTP_AUTHORIZATION": f"Bearer {AccessToken.for_user(user)}"}


def test_a_body_in_chunks_is_read(editor: dict[str, str], ask: Ask) -> None:
    long = {"label": "New", "label_plural": "N" * 90, "child_entity_codes": ["task"]}
    assert ask("PATCH", PROJECT, **chunked(json.dumps(long) + " " * 20_000), **editor).status == 200
    changed = Entity.objects.get(code="project")
    assert (changed.label, changed.child_entity_codes) == ("New", ["task"])
    replaced = json.dumps({"child_entity_codes": [], "mode": "replace"})
    assert ask("PUT", f"{PROJECT}/children", **chunked(replaced), **editor).status == 200
    added = json.dumps({"code": "wiki", "label": "Wiki", "label_plural": "Wikis", "icon": "Flag"})
    assert ask("POST", "/api/v1/entity", **chunked(added), **editor).status == 201
    make_user("ada", password=PASSWORD)
    assert ask("POST", LOGIN, **chunked(json.dumps({"username": "ada", "password": PASSWORD}))).status == 200


def test_a_body_in_chunks_may_be_as_long_as_another(editor: dict[str, str], ask: Ask) -> None:
    whole, longer = (chunked(json.dumps({"label": "New"}).ljust(length)) for length in (1_000_000, 1_000_001))
    assert ask("PATCH", PROJECT, **whole, **editor).status == 200
    refused = ask("PATCH", PROJECT, **longer, **editor)
    assert (refused.status, refused.code) == (413, "body_too_big")
    endless = Chunks(b"x" * 5_000_000)
    assert ask("PATCH", PROJECT, **chunked(b"", body=endless), **editor).status == 413
    assert endless.tell() < 1_100_000, "the rest of it is not read"


def test_a_form_in_chunks_is_read_as_another(committed_db: None, ask: Ask) -> None:
    client = staff_client(make_user("root", is_staff=True, is_superuser=True))
    client.get("/admin/entities/entity/import/")
    token = client.cookies["csrftoken"].value
    cookies = {"HTTP_COOKIE": "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())}
    part = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    form = part.format("csrfmiddlewaretoken", "", token) + part.format("file", '; filename="a.csv"', "x" * 2_000_000)
    sent = chunked(f"{form}--x--\r\n", CONTENT_TYPE="multipart/form-data; boundary=x")
    assert ask("POST", "/admin/entities/entity/import/", **sent, **cookies).status == 200
    broken_off = chunked(form, CONTENT_TYPE="multipart/form-data; boundary=x")
    assert ask("POST", "/admin/entities/entity/import/", **broken_off, **cookies).status == 400
    plain = chunked(f"csrfmiddlewaretoken={token}&q=1", CONTENT_TYPE="application/x-www-form-urlencoded")
    assert ask("POST", "/admin/entities/entity/import/", **plain, **cookies).status == 411, "its end can't be told"
    endless = chunked(form + "x" * MAX_BYTES, CONTENT_TYPE="multipart/form-data; boundary=x")
    assert ask("POST", "/admin/entities/entity/import/", **endless, **cookies).status == 400


def test_where_the_end_of_a_body_cannot_be_told_its_length_is_asked_for(editor: dict[str, str], ask: Ask) -> None:
    for path in (PROJECT, "/admin/login/"):
        answer = ask("POST", path, **chunked("{}") | {"wsgi.input_terminated": False}, **editor)
        assert answer.status == 411
    assert ask("PATCH", PROJECT, **chunked("{}") | {"wsgi.input_terminated": False}).code == "length_required"


def test_a_change_without_a_body_is_none(editor: dict[str, str], ask: Ask) -> None:
    for sent in ({}, chunked(""), {"CONTENT_LENGTH": "0", "CONTENT_TYPE": JSON}):
        answer = ask("PATCH", PROJECT, **sent, **editor)
        assert (answer.status, answer.code) == (400, "no_body")
    assert ask("PATCH", PROJECT, **chunked("{}"), **editor).status == 200, "of nothing, as it says"


class Broken(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise OSError("the client went away")


def test_a_body_that_ends_too_soon_is_none(editor: dict[str, str], ask: Ask) -> None:
    half = json.dumps({"label": "New"}).encode()
    cases = {
        "shorter than said": {"body": io.BytesIO(half), "CONTENT_LENGTH": "99"},
        "broken": chunked("", body=Broken()),
        "broken off": chunked(half[:-1]),
    }
    for case, sent in cases.items():
        answer = ask("PATCH", PROJECT, **sent | {"CONTENT_TYPE": JSON}, **editor)
        assert answer.status == 400, case
    assert Entity.objects.get(code="project").label == "Old"
    stream = WholeStream(io.BytesIO(b"ab"), 3)
    assert stream.read(2) == b"ab"
    with pytest.raises(ConnectionError):
        stream.read(2)


TYPES_OF_NOTHING = [
    "text/plain; x*=BOGUS''v",
    "text/plain; charset*=utf-8''%00",
    "application/json; charset=zlib",
    "application/json; charset=idna",
    "application/json; charset=undefined",
]


def test_a_content_type_that_cannot_be_read_is_refused_as_everything_else(
    committed_db: None, ask: Ask, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    for content_type in TYPES_OF_NOTHING:
        with subtests.test(content_type=content_type):
            for path in ("/api/v1/entity/types?codes=a", "/api/nowhere", "/health", "/healthz?x=%ff", "/readyz"):
                caplog.clear()
                answer = ask("GET", path, CONTENT_TYPE=content_type)
                assert (answer.status, answer.code) == (400, "unreadable")
                assert answer.headers["Content-Type"] == JSON
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
                assert (line.getMessage(), line.path) == ("Unreadable request", path.partition("?")[0])  # type: ignore[attr-defined] # extra
            for path in ("/", "/admin/", "/metrics"):
                assert ask("POST", path, CONTENT_TYPE=content_type).status == 400


def test_no_name_of_a_codec_is_an_error_of_the_server(committed_db: None, ask: Ask) -> None:
    names = {
        *encodings.aliases.aliases.values(),
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
    }
    for name in names:
        content_type = {"CONTENT_TYPE": f"{JSON}; charset={name}"}
        for path in ("/healthz?q=%ff%00a", "/api/v1/entity/types?codes=%ff&%80=%81"):
            assert ask("GET", path, **content_type).status in (200, 400, 401), name
        body = {"body": io.BytesIO(b'\xff{"a\x80'), "CONTENT_LENGTH": "7"}
        assert ask("POST", LOGIN, **body, **content_type).status == 400, name
    assert codecs.lookup("zlib"), "Django takes it for a charset"
    many = ask("GET", f"/healthz?{'a&' * 20_001}", CONTENT_TYPE=f"{JSON}; charset=utf-8")
    assert (many.status, many.code) == (400, "unreadable")


@pytest.fixture
def served(committed_db: None, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    log = tmp_path / "log"
    with web_server(LOG_FILE=str(log), METRICS_TOKEN="m", CACHE_LOCAL_LEASE_MS="1") as url:
        yield url, log


def count_of(url: str) -> float:
    text = requests.get(f"{url}/metrics", headers={"Authorization": "Bearer m"}, timeout=10).text
    [line] = [line for line in text.splitlines() if line.startswith('cache_answer_seconds_count{source="none"}')]
    return float(line.split()[1])


def test_over_http_bodies_in_chunks_are_read_and_what_is_unreadable_is_counted(served: tuple[str, Path]) -> None:
    url, log = served
    make_entity("project")
    token = {"Authorization": f"Bearer {AccessToken.for_user(make_user('editor', 'change'))}"}
    changed = requests.patch(
        f"{url}{PROJECT}", data=iter([b'{"label": ', b'"New"}']), headers={**token, "Content-Type": JSON}, timeout=10
    )
    assert (changed.status_code, changed.json()["label"]) == (200, "New")
    before = count_of(url)
    bogus = requests.get(f"{url}/healthz", headers={"Content-Type": "text/plain; x*=BOGUS''v"}, timeout=10)
    assert (bogus.status_code, bogus.json()["code"]) == (400, "unreadable")
    assert count_of(url) == before + 2, "it, and the count before"
    [line] = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "Unreadable request"]
    assert (line["path"], line["level"]) == ("/healthz", "warning")
