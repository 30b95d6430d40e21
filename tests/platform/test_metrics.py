"""
/metrics: who may read it, that it counts right over processes, and that its labels stay few.

Traces go to the collector that the standard variables name; that none are imported else is in test_environment.
"""

import gzip
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from cache_layer.activity import fold_reads
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity
from tests.servers import (
    ROOT,
    free_port,
    relaying_process,
    serving,
    wait_until_answering,
    web_server,
    worker_environment,
)
from tests.waiting import wait_for

TOKEN = "a secret of this test"


@pytest.fixture
def token_set() -> Iterator[None]:
    with override_settings(METRICS_TOKEN=TOKEN):
        yield


def ask(authorization: str | None = None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return APIClient().get("/metrics", headers=headers)


Samples = dict[tuple[str, tuple[str, ...]], float]


def parse(text: str) -> Samples:
    """Each sample by its name and its labels' values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("cache_") and not sample.name.endswith("_created")
    }


def now() -> Samples:
    fold_reads()  # as every server does every other second
    return parse(ask(f"Bearer {TOKEN}").content.decode())


WRONG = ["Bearer wrong", "Bearer ", "Bearer", "", f"Basic {TOKEN}", f"Bearer {TOKEN} ", "Bearer gehéim", TOKEN]


@pytest.mark.usefixtures("db", "token_set")
class TestAccess:
    def test_without_the_token_it_asks_for_it(self, subtests: pytest.Subtests) -> None:
        with_it = [(TOKEN, authorization) for authorization in (None, *WRONG)]
        without_any = [("", authorization) for authorization in (None, "Bearer ", "Bearer", f"Bearer {TOKEN}")]
        for token, authorization in (*with_it, *without_any):
            with subtests.test(token=token, authorization=authorization), override_settings(METRICS_TOKEN=token):
                answer = ask(authorization)
                assert answer.status_code == 401
                assert answer["WWW-Authenticate"].startswith("Bearer")
                assert b"cache_reads" not in answer.content

    def test_the_token_opens_it(self) -> None:
        answer = ask(f"Bearer {TOKEN}")
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert b"cache_reads_total" in answer.content
        assert ask(f"bearer {TOKEN}").status_code == 200, "the scheme's case does not matter"
        accept = "application/openmetrics-text; version=x"
        answer = Client(headers={"Accept": accept, "Authorization": f"Bearer {TOKEN}"}).get("/metrics")
        assert answer.status_code == 200, "of no known version"
        assert APIClient().post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405

    def test_whoever_may_see_the_cache_dashboard_may_read_it(self) -> None:
        user = make_user("operator", is_staff=True)
        client = Client()
        client.force_login(user)
        refused = client.get("/metrics")
        assert refused.status_code == 403
        assert b"cache_reads" not in refused.content
        user.user_permissions.add(Permission.objects.get(codename="view_cache"))
        assert client.get("/metrics").status_code == 200


@pytest.mark.usefixtures("committed_db", "token_set")
class TestCounts:
    def test_broken_files_of_counts_are_left_out_and_the_others_counted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = tmp_path / "counter_1.db"
        counts = MmapedDict(str(whole))
        counts.write_value(json.dumps(["cache_reads", "cache_reads_total", {"source": "L1"}, "help"]), 7.0, 0.0)
        counts.close()
        content = whole.read_bytes()
        broken = {"empty": b"", "cut": content[:3], "shorter": content[:40], "noise": b"\xff" * 4096}
        for number, left in enumerate(broken.values(), start=2):
            (tmp_path / f"counter_{number}.db").write_bytes(left)
        (tmp_path / "gauge_livemax_.db").write_bytes(b"")
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        assert now()["cache_reads_total", ("L1",)] == 7
        shutil.rmtree(tmp_path)
        assert ask(f"Bearer {TOKEN}").status_code == 200, "without its directory it is this process that counts"

    def test_unknown_codes_and_paths_make_no_new_series(self) -> None:
        client = client_of(make_user())
        for code in ("nothing", "x" * 63):
            client.get(f"/api/v1/entity/type/{code}")
        client.get("/api/v1/none")
        before = now()
        for number in range(50):
            client.get(f"/api/v1/entity/type/unknown_{number}")
            client.get(f"/api/v1/none/{number}", headers={"X-Cache": f"made-up-{number}"})
        assert now().keys() == before.keys()


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    directory = tmp_path / "counts"
    directory.mkdir()
    return directory


def scrape(url: str) -> Samples:
    return parse(requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).text)


def workers(directory: Path) -> set[int]:
    """The processes that have counted something there, and are alive."""
    pids = {int(file.stem.rpartition("_")[2]) for file in directory.glob("counter_*.db")}
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def test_the_counts_of_two_workers_add_up_and_outlive_them(committed_db: None, counts: Path) -> None:
    make_entity("project")
    reading = {"Authorization": f"Bearer {AccessToken.for_user(make_user())}", "Connection": "close"}
    options = {"GRANIAN_WORKERS": "2", "GRANIAN_RESPAWN_FAILED_WORKERS": "true"}
    options |= {"GRANIAN_WORKERS_KILL_TIMEOUT": "5", "CACHE_EXPRESS_LANE_BYTES": "0"}
    with web_server(PROMETHEUS_MULTIPROC_DIR=str(counts), METRICS_TOKEN=TOKEN, **options) as url:
        wait_for(lambda: len(workers(counts)) >= 2)
        first = workers(counts)

        def reads(samples: Samples) -> float:
            return sum(value for (name, _), value in samples.items() if name == "cache_reads_total")

        def answers() -> float:
            return sum(value for (name, _), value in scrape(url).items() if name == "cache_answer_seconds_count")

        before = scrape(url)
        for _ in range(40):
            requests.get(f"{url}/api/v1/entity/type/project", headers=reading, timeout=10)
        # A worker adds up its reads every other second.
        wait_for(lambda: reads(scrape(url)) - reads(before) == 40)
        served = answers()
        wait_for(lambda: is_relaying(url))
        victim = relaying_process()
        assert victim in first
        assert (counts / f"gauge_livemax_{victim}.db").exists()
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: bool(scrape(url)) and not (counts / f"gauge_livemax_{victim}.db").exists())
        wait_for(lambda: is_relaying(url) and relaying_process() not in (None, victim))
        assert (counts / f"counter_{victim}.db").exists()
        assert reads(scrape(url)) - reads(before) == 40, "what it counted stays"
        assert answers() >= served


def is_relaying(url: str) -> bool:
    """Whether a server says that one of its processes relays."""
    return scrape(url)["cache_relay_working", ()] == 1


@pytest.mark.proof
def test_of_two_servers_one_says_that_it_relays_and_one_without_the_setting_never_does(committed_db: None) -> None:
    with web_server(METRICS_TOKEN=TOKEN) as first:
        wait_for(lambda: is_relaying(first))
        with web_server(METRICS_TOKEN=TOKEN) as second, web_server(METRICS_TOKEN=TOKEN, CACHE_RELAY="false") as third:
            assert [is_relaying(url) for url in (first, second, third)] == [True, False, False]


@pytest.mark.parametrize("shared", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_a_relay_of_its_own_serves_its_figures(committed_db: None, counts: Path, shared: bool) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "relay_invalidations", "--metrics-port", str(port)]
    environment = worker_environment() | ({"PROMETHEUS_MULTIPROC_DIR": str(counts)} if shared else {})
    with Popen(command, cwd=ROOT, env=environment) as relay:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_answering(f"{url}/metrics", relay.poll)
            wait_for(lambda: is_relaying(url))
        finally:
            relay.terminate()
            relay.wait(timeout=20)
        assert relay.returncode == 0


def test_a_relay_that_cannot_serve_them_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(CommandError, match=r"Metrics cannot be served at 127\.0\.0\.1, port 70000"):
        call_command("relay_invalidations", metrics_port=70_000)


class Collector:
    """A real OTLP collector over HTTP, as small as it gets."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[ExportTraceServiceRequest] = []

    def services(self) -> set[str]:
        """The names of the services that have sent something."""
        resources = [each.resource for request in self.received for each in request.resource_spans]
        return {values(resource.attributes)["service.name"] for resource in resources}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Handler) as collector.url:
        yield collector


def values(attributes: Any) -> dict[str, str]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: pair.value.string_value for pair in pairs}


def spans_of(requests: list[ExportTraceServiceRequest]) -> list[tuple[str, Span]]:
    """Each span, with the library that made it."""
    return [
        (scope.scope.name.rpartition(".")[2], span)
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.fixture
def token(committed_db: None) -> str:
    make_entity("project")
    return str(AccessToken.for_user(make_user()))


def read(url: str, token: str) -> str:
    """Where the answer came from."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{url}/api/v1/entity/type/project", headers=headers, timeout=10).headers["X-Cache"]


def test_a_read_is_traced_down_to_the_engines(
    collector: Collector, token: str, redis_client: Redis, set_options: Callable[..., None]
) -> None:
    quiet = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "DATABASE_POOL_SIZE": "2"}
    with web_server(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **quiet) as url:
        redis_client.delete("entity:metadata:project")
        assert read(url, token) == "DB"
        assert collector.received == [], "nothing is sent before its time"
    assert collector.services() == {"pmo-entity-cache"}, "what a worker has not sent yet is sent when it ends"
    spans = spans_of(collector.received)
    roots = [span for library, span in spans if library == "django"]
    assert [span for _, span in spans if not span.parent_span_id] == roots, "the relay asks for itself"
    assert [values(root.attributes)["cache.source"] for root in roots] == ["DB"], "and /healthz is not traced"
    below = {library for library, span in spans if span.parent_span_id == roots[0].span_id}
    assert below == {"psycopg", "redis"}
    statements = [values(span.attributes).get("db.statement", "") for _, span in spans]
    assert any("app" in statement and "entity" in statement for statement in statements)
    told = "".join(map(str, collector.received))
    assert token not in told
    assert "entity:metadata:project" not in told
    assert "'project'" not in told


@pytest.mark.proof
def test_the_service_may_have_another_name(collector: Collector, token: str) -> None:
    with web_server(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces", OTEL_SERVICE_NAME="desk") as url:
        read(url, token)
    assert collector.services() == {"desk"}
