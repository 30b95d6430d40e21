"""Django's cache verbs: entries are read through and never stale, everything else is as in any cache of Django's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache as default_cache
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings
from redis import Redis

from cache_layer import ReadOnlyEntry
from cache_layer.backend import CoherentCache
from cache_layer.errors import InvalidOptions
from cache_layer.inspect.checks import check_settings
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.server.connection import GuardedRedis
from cache_layer.server.run_id import on_connect
from entities.documents import document_of
from entities.models import Entity
from pmo import settings as project_settings
from tests.conftest import make_entity
from tests.otherapp.models import Rate
from tests.threads import run_coroutine

pytestmark = pytest.mark.usefixtures("committed_db")

KEY = "entity:metadata:project"


@pytest.fixture
def document() -> object:
    return document_of(make_entity("project"))


@pytest.fixture
def cache() -> Iterator[CoherentCache]:
    """A project's one cache: every key that is no entry's is its own."""
    where = project_settings.CACHES["default"]["LOCATION"]
    one = {"BACKEND": "cache_layer.backend.CoherentCache", "LOCATION": where, "KEY_PREFIX": "shop"}
    with override_settings(CACHES=project_settings.CACHES | {"shop": one}):
        yield caches["shop"]  # type: ignore[misc] # as it says


# --- Entries ----------------------------------------------------------------------------------------------------------


def test_an_entry_is_read_through_by_its_key_or_by_its_identifier(
    document: object, cache: CoherentCache, redis_client: Redis
) -> None:
    redis_client.delete(KEY)
    drop_all_copies()
    assert caches["entity_metadata"].get("project") == cache.get(KEY) == document
    assert redis_client.ttl(KEY) == 300
    assert cache.get_or_set(KEY, "never") == document
    assert KEY in cache
    assert "entity:metadata:nothing" not in cache
    assert caches["entity_metadata"].get("nothing", "default") == "default"
    assert caches["entity_metadata"].make_key("project") == cache.make_key(KEY) == KEY


def test_an_entry_is_never_stale(document: object, cache: CoherentCache) -> None:
    assert cache.get(KEY) == document
    Entity.objects.filter(code="project").update(label="New")
    assert cache.get(KEY).label == caches["entity_metadata"].get("project").label == "New"


def test_entries_of_several_lookups_and_other_keys_are_read_at_once(document: object, cache: CoherentCache) -> None:
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    cache.set("plain", [1])
    keys = ["rate:senior", "plain", KEY, "rate:nobody", "nothing"]
    assert cache.get_many(keys) == {"rate:senior": 9_000, "plain": [1], KEY: document}
    assert list(cache.get_many(keys)) == ["rate:senior", "plain", KEY]
    cache.delete_many(["plain", KEY])
    assert cache.get("plain") is None


def test_to_delete_an_entry_invalidates_it_and_tells_whether_there_was_a_value(document: object) -> None:
    assert caches["entity_metadata"].delete("project") is True
    assert caches["entity_metadata"].delete("project") is False
    assert caches["entity_metadata"].get("project") == document


REFUSED: dict[str, Callable[[Any, str], object]] = {
    "set": lambda cache, key: cache.set(key, 1),
    "set_many": lambda cache, key: cache.set_many({"plain": 1, key: 1}),
    "add": lambda cache, key: cache.add(key, 1),
    "touch": lambda cache, key: cache.touch(key, 5),
    "incr": lambda cache, key: cache.incr(key),
    "decr": lambda cache, key: cache.decr(key),
    "get_or_set": lambda cache, key: cache.get_or_set(f"{key}_missing", 1),
    "incr_version": lambda cache, key: cache.incr_version(key),
    "a version": lambda cache, key: cache.get(key, version=2),
    "a version of many": lambda cache, key: cache.get_many([key], version=2),
    "persist": lambda cache, key: cache.persist(key),
    "lock": lambda cache, key: cache.lock(key),
    "aset": lambda cache, key: run_coroutine(cache.aset(key, 1)),
}


@pytest.mark.parametrize("verb", REFUSED)
def test_what_an_entry_does_not_have_raises_one_error_and_changes_nothing(
    verb: str, document: object, cache: CoherentCache
) -> None:
    with pytest.raises(ReadOnlyEntry):
        REFUSED[verb](caches["entity_metadata"], "project")
    with pytest.raises(ReadOnlyEntry):
        REFUSED[verb](cache, KEY)
    assert cache.get(KEY) == document
    assert cache.get("plain") is None


def test_a_coroutine_gets_entries_as_it_gets_other_keys(document: object, cache: CoherentCache) -> None:
    cache.set("a", 1)

    async def read() -> list[object]:
        return [await cache.aget(KEY), await cache.aget_many([KEY, "a", "nothing"]), await cache.aget("rate:x", "none")]

    assert run_coroutine(read()) == [document, {KEY: document, "a": 1}, "none"]


# --- Other keys: what Django promises of every cache ------------------------------------------------------------------


VALUES = {"number": 1, "float": 1.5, "none": None, "text": "é", "list": [1, {"a": "b"}], "yes": True}
SCRIPT: list[tuple[Any, ...]] = [
    *[("set_many", VALUES), ("get_many", list(VALUES)), ("has_key", "none"), ("get", "none", "default")],
    *[("get", "a", "default"), ("add", "a", 1), ("add", "a", 2), ("get", "a"), ("touch", "a", 5), ("touch", "b", 5)],
    *[("incr", "a"), ("incr", "a", 10), ("decr", "a", 2), ("get", "a"), ("incr", "b"), ("decr", "b")],
    *[("delete", "a"), ("delete", "a"), ("get_or_set", "a", 3), ("get_or_set", "a", 4), ("get_or_set", "b", None)],
    *[("set", "a", 1), ("set", "a", 2, None, 2), ("get", "a"), ("get", "a", None, 2), ("get_many", ["a"], 2)],
    *[("delete", "a", 2), ("incr_version", "a"), ("get", "a"), ("get", "a", None, 2), ("incr_version", "c")],
    *[("decr_version", "a", 1, 2), ("get", "a"), ("set_many", {"d": 1}), ("delete_many", ["d"]), ("get", "d")],
    *[("set", "a", 1, 0), ("get", "a"), ("set", "b", 1, -1), ("get", "b"), ("clear",), ("get", "number")],
]
"""A verb and its arguments each."""


def play(cache: BaseCache, prefix: str = "") -> Iterator[object]:
    for verb, *arguments in SCRIPT:
        try:
            answer = getattr(cache, prefix + verb)(*arguments)
            answer = run_coroutine(answer) if prefix else answer
            yield verb, None if verb.startswith("set") else answer
        except ValueError:
            yield verb, ValueError


@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
def test_every_verb_gives_what_it_gives_in_another_cache_of_djangos(cache: CoherentCache, prefix: str) -> None:
    assert list(play(cache, prefix)) == list(play(LocMemCache("", {})))
    with pytest.raises(TypeError, match="not JSON serializable"):
        cache.set("object", object())


def test_timeouts_are_kept_and_touched(cache: CoherentCache, redis_client: Redis) -> None:
    cache.set_many({"minute": 1, "forever": 1}, 60)
    assert redis_client.ttl("shop:1:minute") == 60
    assert (cache.touch("minute", 120), cache.touch("forever", None), cache.touch("missing")) == (True, True, False)
    assert (redis_client.ttl("shop:1:minute"), redis_client.ttl("shop:1:forever")) == (120, -1)
    cache.set("default", 1)
    assert redis_client.ttl("shop:1:default") == 300


def test_to_clear_an_alias_removes_its_own_keys_and_drops_the_entries_it_serves(
    document: object, cache: CoherentCache, redis_client: Redis
) -> None:
    default_cache.set("gone", 1)
    default_cache.set("gone", 1, version=2)
    default_cache.set_many({f"many{number}": number for number in range(450)})
    caches["sessions"].set("kept", 2)
    redis_client.set("defaulted", "kept")
    redis_client.set("{cache_layer:analytics}:day:1", "kept")
    others = {key for key in redis_client.keys("*") if not key.startswith(b"default:")}
    default_cache.clear()
    assert set(redis_client.keys("*")) == others
    cache.set("a", 1)
    cache.clear()
    assert redis_client.exists(KEY, "shop:1:a") == 0
    assert caches["sessions"].get("kept") == 2
    assert cache.get(KEY) == document
    caches["entity_metadata"].clear()
    assert redis_client.exists(KEY) == 0
    assert redis_client.get("defaulted") == b"kept"


def test_several_locations_are_refused_without_their_passwords() -> None:
    with pytest.raises(InvalidOptions, match="LOCATION is a list: use one URL") as found:
        CoherentCache(["redis://:s3cret@a", "redis://b"], {"OPTIONS": {"CONNECTION_POOL_KWARGS": {}}})
    assert "s3cret" not in str(found.value)


def test_a_project_may_size_the_pool_and_is_connected_as_before(document: object) -> None:
    where, pool = f"{project_settings.CACHES['default']['LOCATION']}?client_name=sized", {"max_connections": 7}
    sized: dict[str, Any] = {"BACKEND": "cache_layer.backend.CoherentCache", "LOCATION": where}
    sized["OPTIONS"] = {"CONNECTION_POOL_KWARGS": pool, "CLIENT_CLASS": "django_redis.client.DefaultClient"}
    both = {"plain": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": where}, "sized": sized}
    with override_settings(CACHES=project_settings.CACHES | both):
        assert caches["plain"].get("a") is None
        client: Any = caches["sized"].client.get_client()  # type: ignore[attr-defined]
        assert isinstance(client, GuardedRedis)
        connecting = client.connection_pool.connection_kwargs
        assert connecting["redis_connect_func"] is on_connect, "the pool is not that of the other alias"
        assert client.connection_pool.max_connections == 7
        assert caches["sized"].get(KEY) == document


@pytest.mark.parametrize(
    "options",
    [
        {"REDIS_CLIENT_CLASS": "redis.Redis"},
        {"CONNECTION_FACTORY": "django_redis.pool.ConnectionFactory"},
        {"CONNECTION_POOL_CLASS": "redis.connection.ConnectionPool"},
        {"CONNECTION_POOL_KWARGS": {"redis_connect_func": print}},
        {"CLIENT_CLASS": "django_redis.client.HerdClient"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_would_replace_the_client_or_its_guard_is_refused(options: dict[str, Any], settings: LazySettings) -> None:
    alias = {"BACKEND": "cache_layer.backend.CoherentCache", "LOCATION": "redis://a/0", "OPTIONS": options}
    settings.CACHES = project_settings.CACHES | {"entity_metadata": alias}
    (message,) = check_settings()
    assert message.id == "cache_layer.E003"
    assert "leave it out" in message.msg
