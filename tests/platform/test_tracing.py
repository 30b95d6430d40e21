"""Traces go to the collector that the standard variables name; that none are imported else is in test_settings."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from redis import Redis
from rest_framework_simplejwt.tokens import AccessToken

from tests.api.conftest import make_user
from tests.conftest import make_entity
from tests.servers import serving, web_server


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
