"""Deliver changes made behind Django's back to the cache, until stopped."""

import os
import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_layer.counting.reporting import start_reporting
from cache_layer.upkeep.relay import run_relay


class Command(BaseCommand):
    help = "Relays changes made by psql, COPY, TRUNCATE and other services to the cache. Several may run; one works."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--metrics-port", type=int, help="serve Prometheus metrics there, without any access check")
        where = "the address to serve them at (default: %(default)s)"
        parser.add_argument("--metrics-host", default="127.0.0.1", help=where)

    def handle(self, *, metrics_port: int | None, metrics_host: str, **_: Any) -> None:
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        if metrics_port is not None:
            _serve_metrics(metrics_host, metrics_port)
        start_reporting()
        run_relay(stop)


def _serve_metrics(host: str, port: int) -> None:
    """
    Serve this process's metrics, or those of all processes that share PROMETHEUS_MULTIPROC_DIR.

    Raises:
        CommandError: the address is unusable, or prometheus-client is not installed.
    """
    try:
        from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
        from prometheus_client.multiprocess import MultiProcessCollector
    except ImportError:
        raise CommandError("Metrics are served by prometheus-client: pip install cache-layer[metrics].") from None
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the package has no types there
    try:
        start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise CommandError(f"Metrics cannot be served at {host}, port {port}: {error}") from error
