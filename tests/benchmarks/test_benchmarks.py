"""The benchmark is honest: what is counted is what happened, and a contender that does less is not timed."""

import itertools
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.generators import Bundled, Generator, find_generator
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.measures.counter import parse_log
from tests.benchmarks.measures.throughput import check_servers
from tests.benchmarks.report.document import wrapped
from tests.benchmarks.report.excerpt import PAGE
from tests.benchmarks.run import MEASURES
from tests.benchmarks.server import Server
from tests.servers import serving
from tests.stage import StageFailed

CODES, TOKENS = ["project", "task"], ["ada", "grace"]
LOGGED = """\
2026-01-01 10:00:00.001 UTC [7] LOG:  statement:\x20
2026-01-01 10:00:00.002 UTC [7] LOG:  statement: BEGIN
2026-01-01 10:00:00.003 UTC [7] LOG:  statement: UPDATE "app"."entity" SET "label" = 'a [8] LOG:  statement: b'
\tWHERE "code" = 'project'
2026-01-01 10:00:00.004 UTC [8] LOG:  execute s1:\x20
\t    SELECT 1
2026-01-01 10:00:00.004 UTC [8] DETAIL:  Parameters: $1 = 'SELECT'
2026-01-01 10:00:00.005 UTC [7] LOG:  statement: COMMIT
"""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        token, code = self.headers["Authorization"].removeprefix("Bearer "), self.path.rpartition("/")[2]
        self.seen.append((token, code))
        body = b'{"code":"%b","label":"Before"}' % code.encode()
        self.send_response(401 if token == "nobodyx" else 200)
        for name, value in (("Content-Length", len(body)), ("Content-Type", "application/json"), ("X-Cache", "L1")):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

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
    """A web server that says yes to everybody but nobodyx, and which token asked it for which code."""
    seen: list[tuple[str, str]] = []
    with serving(type("Answering", (_Answering,), {"seen": seen})) as url:
        yield Server(CONTENDERS["lane"], int(url.rpartition(":")[2]), None, Bundled()), seen


Answering = tuple[Server, list[tuple[str, str]]]


@pytest.mark.parametrize("generator", [Bundled(), find_generator()])
def test_generators_draw_token_and_code_for_each_request_and_count_whole_answers(
    answering: Answering, generator: Generator
) -> None:
    server, seen = answering
    server.generator = generator
    load = server.load(Reads(TOKENS, CODES, seed=1), 0.2, connections=2)
    assert load.requests <= len(seen) <= load.requests + 2  # the last on each connection may be under way
    assert set(seen) == {(token, code) for token in TOKENS for code in CODES}
    assert len({*itertools.pairwise(seen)}) == 16  # whatever came before, anything may follow


def test_refused_reads_are_errors(answering: Answering) -> None:
    (server, _), reads = answering, Reads(["nobodyx"], CODES)
    with pytest.raises(StageFailed, match=r"lane: (\d+) errors, \1 answers"):
        server.load(reads, 0.1, connections=1)
    with pytest.raises(StageFailed, match="lane: 2 of 2 answers were errors"):
        server.warm(reads)


@pytest.mark.parametrize(
    ("token", "fault"), [("ada", "answers 200 to a token that is not valid"), ("nobody", "shows .* after a change")]
)
def test_a_contender_that_refuses_nobody_or_shows_no_change_is_not_timed(
    answering: Answering, token: str, fault: str
) -> None:
    with pytest.raises(StageFailed, match=f"lane {fault}"):
        check_servers(SimpleNamespace(token=token), {"lane": answering[0]}, Reads(TOKENS, CODES))


def test_every_statement_in_the_log_counts_once_and_no_transaction_control() -> None:
    changed, read = parse_log(LOGGED)
    assert (changed.session, read.session) == (7, 8)
    assert read.text.startswith("SELECT 1")
    assert changed.kind.split() == ["UPDATE", '"app"."entity"', "SET", '"label"', "=", "?", "WHERE", '"code"', "=", "?"]


def test_the_page_says_what_its_measures_do() -> None:
    page = PAGE.read_text()
    for measure in MEASURES.values():
        assert f"\n## {measure.HEADING}\n\n{wrapped(measure.__doc__)}\n" in page
