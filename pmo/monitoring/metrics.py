"""`/metrics`: the counts of this machine's processes, for Prometheus."""

import logging
import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry
from redis.exceptions import RedisError

from cache_layer.inspect import Backlog, ServerStatus
from pmo.environment.variables import COUNTS_VARIABLE

logger = logging.getLogger("pmo")

UNREADABLE = (struct.error, RuntimeError, ValueError, TypeError, AttributeError, LookupError, OSError)
"""What prometheus-client raises for a file of counts that is empty, truncated, overwritten or gone."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="metrics"', "Cache-Control": "no-store"}


@csrf_exempt  # else the CSRF check answers 403 instead of 405
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For requests with METRICS_TOKEN as the bearer token, and logged-in users who may see the cache dashboard."""
    if not _has_token(request) and not request.user.has_perm("entities.view_cache"):
        status = 403 if request.user.is_authenticated else 401
        return HttpResponse("Send METRICS_TOKEN as a bearer token.\n", "text/plain", status, headers=CHALLENGE)
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except TypeError:  # the version is not a number
        encode, content_type = choose_encoder("")
    return HttpResponse(encode(_registry()), content_type, headers={"Cache-Control": "no-store"})


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.METRICS_TOKEN
    known = bool(expected) and secrets.compare_digest(token.encode(), expected.encode())
    return known and scheme.lower() == "bearer"


def _registry() -> CollectorRegistry:
    """The counts of all processes of this machine if they share a directory, else of this one."""
    directory = os.environ.get(COUNTS_VARIABLE)
    registry = CollectorRegistry()
    if directory and Path(directory).is_dir():
        _forget_dead_processes(Path(directory))
        Counts(registry, directory)
    else:
        registry.register(REGISTRY)
    registry.register(Engines())
    return registry


def _forget_dead_processes(directory: Path) -> None:
    """Drop the live gauges of dead processes; their counters stay."""
    for file in directory.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with suppress(FileNotFoundError):  # another process removed it first
                mark_process_dead(int(pid), str(directory))


class Counts(MultiProcessCollector):
    """prometheus-client's collector, which fails as a whole if one process's file is broken or still being created."""

    def merge(self, files: Iterable[str], accumulate: bool = True) -> Any:  # type: ignore[override] # theirs is static
        counted = list(files)
        try:
            return MultiProcessCollector.merge(counted, accumulate)
        except UNREADABLE:
            return MultiProcessCollector.merge(filter(_is_readable, counted), accumulate)


def _is_readable(file: str) -> bool:
    try:
        MultiProcessCollector.merge([file])
    except UNREADABLE as error:
        logger.warning("Counts left out: the file can't be read", extra={"file": file, "error": str(error)})
        return False
    return True


class Engines(Collector):
    """What the engines report right now."""

    def collect(self) -> Iterator[Metric]:
        server: ServerStatus | None = None
        with suppress(RedisError):  # first: a hanging database may use up the time
            server = ServerStatus.read()
        yield GaugeMetricFamily("cache_redis_up", "1 if Redis answers.", value=server is not None)
        if server is not None:
            yield GaugeMetricFamily("cache_redis_memory_bytes", "Memory Redis uses.", value=server.used_memory_bytes)
            limit = "Memory Redis may use; 0 without a limit."
            yield GaugeMetricFamily("cache_redis_memory_limit_bytes", limit, value=server.max_memory_bytes)
            yield GaugeMetricFamily("cache_redis_clients", "Connections to Redis.", value=server.connected_clients)
            evicted = "Keys that Redis evicted for lack of memory."
            yield CounterMetricFamily("cache_redis_evicted_keys", evicted, value=server.evicted_keys)
        backlog: Backlog | None = None
        with suppress(Error):
            backlog = Backlog.measure()
        yield GaugeMetricFamily("cache_database_up", "1 if PostgreSQL answers.", value=backlog is not None)
        if backlog is not None:
            waiting = "Committed changes that may not have reached the cache."
            yield GaugeMetricFamily("cache_outbox_changes", waiting, value=backlog.changes)
            oldest = "How long the oldest of them has waited."
            yield GaugeMetricFamily("cache_outbox_oldest_seconds", oldest, value=backlog.oldest_seconds)
