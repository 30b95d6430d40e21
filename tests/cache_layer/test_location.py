"""REDIS_URL says which kind of Redis, where, and how to log in."""

from __future__ import annotations

import pytest

from cache_layer.errors import InvalidOptions
from cache_layer.options import Options
from cache_layer.server.failover import ClusterSSLConnection, SentinelConnection, SentinelSSLConnection
from cache_layer.server.location import Location
from pmo.run.launch import _redis_command


def test_a_sentinel_url_names_sentinels_service_and_both_logins() -> None:
    location = Location.in_caches(
        "rediss+sentinel://pmo:p%40ss@a,b:26380/main/2?ssl_ca_certs=/ca.pem&sentinel_password=other", None, Options()
    )
    options = location["OPTIONS"]
    assert location["LOCATION"] == ["redis://main/2"]
    assert options["SENTINELS"] == [("a", 26379), ("b", 26380)]
    connecting = options["CONNECTION_POOL_KWARGS"]
    assert connecting["connection_class"] is SentinelSSLConnection
    assert (connecting["username"], connecting["password"]) == ("pmo", "p@ss")
    assert connecting["ssl_ca_certs"] == options["SENTINEL_KWARGS"]["ssl_ca_certs"] == "/ca.pem"
    assert (options["SENTINEL_KWARGS"]["password"], options["SENTINEL_KWARGS"]["ssl"]) == ("other", True)
    assert options["SENTINEL_KWARGS"]["retry"].get_retries() == connecting["retry"].get_retries() == 0
    assert "sentinel_password" not in connecting
    assert "username" not in options["SENTINEL_KWARGS"]


def test_a_cluster_url_names_some_nodes() -> None:
    options = Location.in_caches("rediss+cluster://[::1]:7000,b?ssl_check_hostname=no", "hush", Options())["OPTIONS"]
    assert options["CLUSTER_NODES"] == [("::1", 7000), ("b", 6379)]
    connecting = options["CONNECTION_POOL_KWARGS"]
    assert connecting["connection_class"] is ClusterSSLConnection
    assert (connecting["password"], connecting["ssl_check_hostname"]) == ("hush", False)


def test_without_s_there_is_no_tls() -> None:
    options = Location.in_caches("redis+sentinel://a/main", None, Options())["OPTIONS"]
    assert options["CONNECTION_POOL_KWARGS"]["connection_class"] is SentinelConnection
    assert options["SENTINEL_KWARGS"]["ssl"] is False


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("memcached://a", "use redis://"),
        ("redis+ring://a", r"redis\+cluster://"),
        ("redis+sentinel://a:26379", "the name that the sentinels know"),
        ("redis+cluster://a:7000/1", "no database '1'"),
        ("redis+cluster://a:seven", "host:port"),
        ("redis+cluster://a,,b", "an address is missing"),
        ("redis+cluster://a?socket_timeout=long", "host:port"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_what_would_do(url: str, hint: str) -> None:
    with pytest.raises(InvalidOptions, match=hint):
        Location.of(url)


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("redis://a:1/0", 'redis-cli -h a -p 1 GET "entity:metadata:project"'),
        ("redis+cluster://a:1,b:2", 'redis-cli -c -h a -p 1 GET "entity:metadata:project"'),
        ("redis+sentinel://a:1,b:2/main/0", "redis-cli -h a -p 1 SENTINEL GET-MASTER-ADDR-BY-NAME main"),
    ],
)
def test_people_are_told_how_to_look(url: str, command: str) -> None:
    assert _redis_command(url) == command
