"""A server that is drained and stopped with requests under way: they are answered, and nothing is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests

from cache_layer.counting.analytics import Series, Span
from cache_layer.keys import holds_key
from cache_layer.writing.outbox import Backlog
from entities.models import Entity
from tests.acceptance.conftest import Program
from tests.conftest import make_entity
from tests.servers import ROOT, platform_server, test_database_url
from tests.waiting import wait_for


@pytest.fixture
def server(staff_user: object) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with platform_server(CACHE_ANALYTICS_SECONDS="3600", DATABASE_POOL_SIZE="4") as served:
        yield served


def is_ready(url: str) -> bool:
    return requests.get(f"{url}/readyz", timeout=10).status_code != 503


def test_what_is_under_way_is_answered_and_nothing_is_left_over(
    server: tuple[str, subprocess.Popen[bytes]], redis_client: object
) -> None:
    url, process = server
    make_entity("project", label="Old")
    program, workers = Program(url), workers_of(process)
    assert workers
    assert is_ready(url)
    drain = [sys.executable, "-m", "pmo.drain", "0"]
    subprocess.run(drain, cwd=ROOT, env=os.environ | {"PORT": url.rpartition(":")[2]}, check=True)
    assert not is_ready(url)
    assert program.read(url, "project").status == 200, "load balancers notice only after a while"
    with psycopg.connect(test_database_url()) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT FROM app.entity FOR UPDATE")
        change = pool.submit(program.change, url, "project", label="New")
        with psycopg.connect(test_database_url(), autocommit=True) as watch:
            while not watch.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount:
                assert not change.done()
        process.send_signal(signal.SIGTERM)
        while is_listening(url):
            assert not change.done()
        other.rollback()
        assert change.result(timeout=10).status == 200
    assert process.wait(timeout=10) == 0
    assert running(workers) == []
    assert Entity.objects.get().label == "New"
    assert redis_client.zcard(holds_key("entity:metadata:project")) == 0  # type: ignore[attr-defined] # a client
    assert Backlog.measure(using="default").changes == 0
    assert sum(Series.read(Span.HOUR).totals("reads").values()) == 2, "what it counted last is told too"


def test_a_server_that_is_killed_leaves_no_worker(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    _, process = server
    workers = workers_of(process)
    assert running(workers)
    process.kill()
    process.wait()
    wait_for(lambda: not running(workers))


def workers_of(process: subprocess.Popen[bytes]) -> list[Path]:
    """The folders of its workers in /proc."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [Path("/proc", number) for number in children.split()]


def running(workers: list[Path]) -> list[Path]:
    """Those that have not ended."""
    return [each for each in workers if each.exists() and "State:\tZ" not in (each / "status").read_text()]


def is_listening(url: str) -> bool:
    """Whether new connections are still taken."""
    time.sleep(0.02)
    try:
        requests.get(f"{url}/healthz", timeout=0.2)
    except requests.RequestException:
        return False
    return True
