"""The benchmark without its timings: contenders do the same work, and the report computes what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from rest_framework_simplejwt.tokens import AccessToken

from entities.documents import EntityDocument
from tests.benchmarks.answers import ask
from tests.benchmarks.contenders import CONTENDERS, LOADER
from tests.benchmarks.contenders.constant import ANSWER_VARIABLE, load_application
from tests.benchmarks.load.generators import find_generator
from tests.benchmarks.load.open_loop import run_open_loop
from tests.benchmarks.plan import MEASURES, Plan, UnknownName, parse_names
from tests.benchmarks.report.chart import draw_throughput
from tests.benchmarks.report.document import compose_page
from tests.benchmarks.report.ratios import Requirement, medians, ratios, requirements
from tests.benchmarks.rows import HOT, insert_rows
from tests.benchmarks.run import LONG_LEASE
from tests.conftest import make_entity
from tests.servers import ROOT, free_port, test_database_url, valkey_server

CODES = ["project", "task"]
THEIRS = [name for name, contender in CONTENDERS.items() if contender.application == LOADER]
"""Ours are tried by every other test."""


@pytest.fixture
def token() -> str:
    """Of a user who may change entity types, here and in the contenders' app."""
    theirs, _ = ContentType.objects.get_or_create(app_label="contenders", model="entitytype")
    Permission.objects.get_or_create(content_type=theirs, codename="change_entitytype", name="Can change entity type")
    user = User.objects.create_user("benchmark")
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_entity", "change_entitytype"]))
    return str(AccessToken.for_user(user))


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("name", THEIRS)
def test_every_contender_reads_changes_and_refuses_alike_and_caches_if_it_is_said_to(name: str, token: str) -> None:
    contender = CONTENDERS[name]
    make_entity("project", label="Before")
    answered = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.answers", name, token, "project"],
        cwd=ROOT,
        env=os.environ
        | contender.environment
        | {"DATABASE_URL": test_database_url(), "DJANGO_SETTINGS_MODULE": contender.settings, "LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        check=True,
    )
    shown = json.loads(answered.stdout)
    assert shown["statuses"] == [200, 200, 200, 200]
    assert shown["first"] == shown["again"]
    assert list(shown["first"]) == list(EntityDocument.__struct_fields__)
    assert (shown["first"]["label"], shown["after"]["label"]) == ("Before", "Changed")
    assert shown["refused"] == 401
    miss, hit = shown["queries"]
    assert (hit == miss) if name == "database" else (hit < miss)


@pytest.mark.usefixtures("committed_db")
def test_reads_in_process_are_hits_under_the_settings_of_a_run(tmp_path: Path) -> None:
    insert_rows(test_database_url(), HOT, [])
    with valkey_server(port=free_port(), data_dir=tmp_path) as server:  # it counts the commands of all its clients
        measured = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.measures.in_process", "--rounds", "1", "--memory", "1"],
            cwd=ROOT,
            env=os.environ
            | LONG_LEASE
            | {"DATABASE_URL": test_database_url(), "REDIS_URL": f"{server.connection_url}/0"}
            | {"DJANGO_SETTINGS_MODULE": "pmo.settings", "LOG_LEVEL": "WARNING"},
            stdout=subprocess.PIPE,
            check=True,
        )
    found = json.loads(measured.stdout)
    assert [len(found[name]) for name in ("dict", "l1", "get", "l2")] == [1, 1, 1, 1]


def test_the_constant_gives_the_answer_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"status": "200 OK", "headers": [["etag", '"1"']], "body": '{"code":"project"}'}))
    monkeypatch.setenv(ANSWER_VARIABLE, str(file))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert ask(load_application(), "GET", "/anything", "no token") == (200, b'{"code":"project"}')


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("X-Cache", "L1")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def answering() -> Iterator[tuple[int, list[str]]]:
    """The port of a web server that says yes to everything, and the paths it was asked for."""
    seen: list[str] = []
    handler = type("Answering", (_Answering,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1], seen
        server.shutdown()
        thread.join()


def test_the_bundled_generator_counts_whole_answers(answering: tuple[int, list[str]]) -> None:
    port, seen = answering
    load = find_generator(bundled=True).run(port, "token", CODES, 0.2, connections=2)
    assert load.errors == 0
    assert load.requests <= len(seen) <= load.requests + 2  # the last on each connection may be under way
    assert set(seen) == {f"/api/v1/entity/type/{code}" for code in CODES}


def test_an_open_loop_sends_what_was_planned(answering: tuple[int, list[str]]) -> None:
    port, seen = answering
    hits = run_open_loop(
        port, "token", CODES, per_second=100, seconds=0.5, written="written", writes_per_second=10, connections=2
    )
    assert [hit.source for hit in hits] == ["L1"] * 50
    assert seen.count("/api/v1/entity/written") == 5


def test_a_requirement_is_judged_by_the_median_of_its_rounds() -> None:
    assert ratios([4, 9], [2, 3]) == (2.0, 3.0)
    assert Requirement("", "at least", 2, (1.0, 2.0, 9.0)).is_met
    assert not Requirement("", "at least", 2, (1.0, 1.9, 9.0)).is_met
    assert Requirement("", "at most", 2, (1.0, 2.0, 9.0)).is_met
    assert not Requirement("", "at most", 2, (1.0, 2.1, 9.0)).is_met


def test_single_requests_are_compared_in_groups() -> None:
    assert medians([1, 2, 3, 10, 20, 30, 40], size=3) == [2, 25]
    assert medians([1, 2], size=3) == [1.5]


def test_the_drain_is_taken_off_a_change() -> None:
    changes = {"lane": [62.0] * 20, "classic": [6.0] * 20}
    (row,) = requirements({"lease_ms": 50, "changes": changes})
    assert row.measured == 2.0


def test_every_promised_ratio_is_in_the_report() -> None:
    rows = requirements(FIGURES)
    assert [(row.sense, row.limit) for row in rows] == [
        ("at least", 0.8),
        ("at least", 12),
        ("at least", 2),
        ("at most", 5),
        ("at most", 1.25),
        ("at most", 2),
        ("at most", 2),
        ("at most", 1.2),
        ("at most", 1.2),
        ("at most", 3),
        ("at most", 3),
    ]
    assert [row.measured for row in rows] == [0.9, 18, 4, 3, 1.1, 2, 1.5, 1, 1.1, 2, 4]
    assert [row.is_met for row in rows] == [*[True] * 10, False]


def test_the_page_has_every_section_and_says_what_is_missed() -> None:
    page = compose_page(FIGURES)
    assert page.count("\n## ") == 2 + len(MEASURES) + 1
    assert "| clearing 1,000 / raw pipelined UNLINK | at most 3 | 4.00 | 4.00 to 4.00 | NO |" in page
    assert "| django-cacheops | not measured: no reason |" in page
    assert "| ours through the express lane | 1,800 | 1,800 to 1,800 | 18.0x |" in page


def test_the_chart_is_well_formed_and_names_every_contender() -> None:
    drawn = "".join(ElementTree.fromstring(draw_throughput(FIGURES["throughput"])).itertext())
    assert all(CONTENDERS[name].title in drawn for name in FIGURES["throughput"])


def test_names_that_are_not_there_are_refused() -> None:
    assert parse_names("tail,many", MEASURES) == ["tail", "many"]
    assert not Plan(measures=["tail"]).is_whole
    with pytest.raises(UnknownName, match="no tale; there are: throughput"):
        parse_names("tale", MEASURES)


def _served(per_second: float) -> dict[str, list[float]]:
    rounds = {"per_second": per_second, "p50_ms": 1.0, "p99_ms": 2.0, "busy": 1.0, "processor_us": 1e6 / per_second}
    return {name: [value] * 3 for name, value in rounds.items()}


FIGURES: dict[str, Any] = {
    "lease_ms": 50,
    "missing": {"cacheops": "no reason"},
    "machine": {
        "processor": "a processor",
        "cores": 2,
        "pinned": True,
        "system": "Linux",
        "python": "3.11",
        "packages": {"django": "5.2"},
        "postgresql": "18",
        "redis": "valkey 9",
        "generator": "wrk",
        "date": "2026-01-01",
    },
    "throughput": {
        name: _served(speed)
        for name, speed in {"database": 60, "classic": 100, "django": 400, "lane": 1800, "constant": 2000}.items()
    },
    "costs": [{"contender": "lane", "kind": "hit", "queries": 0, "commands": []}],
    "process": {"dict": [100.0], "l1": [300.0], "get": [100_000.0], "l2": [110_000.0]},
    "changes": {"lane": [62.0] * 20, "classic": [6.0] * 20},
    "tail": {
        "reads_per_second": 1000,
        "writes_per_second": 5,
        "p50_ms": {"quiet": [1.0], "written": [1.0]},
        "p99_ms": {"quiet": [2.0], "written": [3.0]},
        "sources": {"quiet": {"L1": 1}, "written": {"L1": 1, "BYPASS": 1}},
    },
    "many": {
        "count": 1000,
        "bulk": {"warm": [2.0], "raw_warm": [1.0], "clear": [4.0], "raw_clear": [1.0], "list": [1.0]},
        "few": {"l1": [300.0], "l2": [100_000.0]},
        "many": {"l1": [300.0], "l2": [110_000.0]},
        "bytes_per_copy": 1500,
    },
    "startup": {"lane": [1.5]},
    "scaling": {"lane": {"1": [100.0], "2": [190.0]}},
}
