"""OpenTelemetry traces: enabled if the standard variables name a collector, otherwise not even imported."""

from __future__ import annotations

import os
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from opentelemetry.trace import Span

SERVICE = "pmo-entity-cache"
"""The service name in traces, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES sets another."""
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
NOT_TRACED = r"^https?://[^/]+/(healthz|readyz|metrics)$"


def start_tracing() -> None:
    """
    Trace Django, psycopg and redis-py in this process, if a collector is configured.

    Call it in the serving process before the application is created: the exporter has a thread of its own. Traces
    contain neither SQL parameters, nor Redis arguments, nor headers.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind

    class OfAnswers(BatchSpanProcessor):
        """Drops the spans of background threads, above all the relay's."""

        def on_end(self, span: ReadableSpan) -> None:
            if span.parent is not None or span.kind is SpanKind.SERVER:
                super().on_end(span)

    resource = Resource.create({"service.name": SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(OfAnswers(OTLPSpanExporter()))
    # Workers forked by Granian exit without `atexit`, but run multiprocessing's finalizers.
    Finalize(None, provider.force_flush, exitpriority=0)
    DjangoInstrumentor().instrument(
        tracer_provider=provider, response_hook=_name_source, excluded_urls=NOT_TRACED, skip_dep_check=True
    )
    for instrumentor in (PsycopgInstrumentor(), RedisInstrumentor()):
        instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)


def _name_source(span: Span, _request: HttpRequest, response: HttpResponseBase) -> None:
    """Record on the span where the answer's entries came from."""
    if "X-Cache" in response:
        span.set_attribute("cache.source", response["X-Cache"])
