"""The load: what is planned is sent, and what is answered is counted."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.generators import find_generator, reading
from tests.benchmarks.load.open_loop import run_open_loop
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.measures import ended
from tests.benchmarks.server import Server
from tests.servers import serving
from tests.torture.stage import StageFailed

CODES, TOKENS = ["project", "task"], ["ada", "grace"]


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        token = self.headers["Authorization"].removeprefix("Bearer ")
        self.seen.append((token, self.path.rpartition("/")[2]))
        self.send_response(401 if token == "nobody" else 200)
        self.send_header("Content-Length", "2")
        self.send_header("X-Cache", "L1")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # whoever asked has gone when the time was over
            self.close_connection = True


@pytest.fixture
def answering() -> Iterator[tuple[Server, list[tuple[str, str]]]]:
    """A web server that says yes to everybody but nobody, and which token asked it for which code."""
    seen: list[tuple[str, str]] = []
    handler = type("Answering", (_Answering,), {"seen": seen})
    with serving(handler) as url:
        port = int(url.rpartition(":")[2])
        yield Server(CONTENDERS["lane"], port, None), seen  # type: ignore[arg-type] # has no process


Answering = tuple[Server, list[tuple[str, str]]]


@pytest.mark.parametrize("program", ["bundled", "wrk"])
def test_generators_draw_token_and_code_for_each_request_and_count_whole_answers(
    answering: Answering, program: str
) -> None:
    if program == "wrk" and not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    server, seen = answering
    generator = find_generator(bundled=program == "bundled")
    load = generator.run(server.port, Reads(TOKENS, CODES, seed=1), 0.2, connections=2)
    assert load.errors == 0
    assert load.requests <= len(seen) <= load.requests + 2  # the last on each connection may be under way
    assert set(seen) == {(token, code) for token in TOKENS for code in CODES}
    assert len({*itertools.pairwise(seen)}) == 16  # whatever came before, anything may follow


def test_refused_reads_are_errors(answering: Answering) -> None:
    (server, _), reads = answering, Reads(["nobody"], CODES)
    with reading(find_generator(bundled=True), server.port, reads, 0.1, connections=1) as beside:
        pass
    assert beside.result().errors == beside.result().requests > 0
    with pytest.raises(StageFailed, match="lane: 2 of 2 answers were errors"):
        server.warm(reads)


def test_warming_reads_every_token_and_every_code_once(answering: Answering) -> None:
    server, seen = answering
    server.warm(Reads([*TOKENS, "edsger"], CODES, seed=1))
    assert sorted(seen) == [("ada", "project"), ("edsger", "project"), ("grace", "task")]


def test_an_open_loop_sends_what_was_planned(answering: Answering) -> None:
    server, seen = answering
    reads = Reads(["token"], CODES)
    hits = run_open_loop(
        server.port, reads, per_second=100, seconds=0.5, written="written", writes_per_second=10, connections=2
    )
    assert [hit.source for hit in hits] == ["L1"] * 50
    assert seen.count(("token", "written")) == 5


def test_a_server_that_goes_on_accepting_an_ended_token_is_found(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "LEAD_SECONDS", 0.02)
    monkeypatch.setattr(ended, "AFTER_SECONDS", 0.1)
    server, _ = answering
    reads, accepted = ended.read_on(server, "ada", lambda: None)
    assert reads == accepted > 0
