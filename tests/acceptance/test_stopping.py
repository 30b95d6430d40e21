"""What the container runs: stopped, it answers what is under way; however it ends, nothing is left over."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest
import requests

from cache_layer.counting.analytics import Series, Span
from cache_layer.keys import holds_key
from cache_layer.writing.outbox import Backlog
from entities.models import Entity
from tests.acceptance.conftest import Program, drain
from tests.conftest import make_entity
from tests.servers import platform_server, test_database_url
from tests.waiting import wait_for


def is_ready(url: str) -> bool:
    return requests.get(f"{url}/readyz", timeout=10).status_code != 503


def test_what_is_under_way_is_answered_and_nothing_is_left_over(staff_user: object, redis_client: object) -> None:
    make_entity("project", label="Old")
    with platform_server(CACHE_ANALYTICS_SECONDS="3600", DATABASE_POOL_SIZE="4") as (url, process):
        program, workers = Program(url), psutil.Process(process.pid).children()
        assert workers
        assert is_ready(url)
        drain(url)
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


def test_every_replay_is_in_the_access_log_and_a_server_that_is_killed_leaves_no_worker(
    staff_user: object, capfd: pytest.CaptureFixture[str]
) -> None:
    make_entity("project")
    leases = {"CACHE_LOCAL_LEASE_MS": "2000"}  # so that a slow machine has replays too
    with platform_server(**leases, GRANIAN_LOG_ACCESS_ENABLED="true") as (url, process):
        program, workers = Program(url), psutil.Process(process.pid).children()
        sources = [program.read(url, "project").source for _ in range(50)]
        assert running(workers)
        process.kill()
        process.wait()
        wait_for(lambda: not running(workers))
    assert sources.count("L1") > 25
    assert "".join(capfd.readouterr()).count('"GET /api/v1/entity/type/project HTTP/1.1" 200') == 50


def running(workers: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended."""
    return [each for each in workers if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def is_listening(url: str) -> bool:
    """Whether new connections are still taken."""
    time.sleep(0.02)
    try:
        requests.get(f"{url}/healthz", timeout=0.2)
    except requests.RequestException:
        return False
    return True
