"""Django's cache verbs on `caches["entity_metadata"]`."""

from __future__ import annotations

import pytest
from django.core.cache import cache as default_cache
from django.core.cache import caches
from redis import Redis

from cache_layer.protocol.scripts import hold_keys
from entities.documents import document_of
from entities.services import get_entity_infrastructure
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

KEY = "entity:metadata:project"


@pytest.fixture
def document() -> object:
    return document_of(make_entity("project"))


def test_set_and_get_use_exactly_the_documents_key(document: object, redis_client: Redis) -> None:
    redis_client.delete(KEY)
    cache = caches["entity_metadata"]
    cache.set("project", document)
    assert redis_client.ttl(KEY) == 300
    assert cache.get("project") == document
    assert cache.get_many(["project", "task"]) == {"project": document}
    assert cache.make_key("project") == KEY


def test_get_of_what_is_not_cached_gives_the_default(redis_client: Redis) -> None:
    assert caches["entity_metadata"].get("project", "default") == "default"


def test_set_is_refused_while_a_writer_holds_the_key(document: object, redis_client: Redis) -> None:
    hold_keys([KEY], "a writer")
    caches["entity_metadata"].set("project", document)
    assert redis_client.exists(KEY) == 0


def test_add_stores_only_what_is_not_there(document: object, redis_client: Redis) -> None:
    redis_client.delete(KEY)
    assert caches["entity_metadata"].add("project", document) is True
    assert caches["entity_metadata"].add("project", document) is False


def test_delete_tells_whether_there_was_a_value(document: object) -> None:
    assert caches["entity_metadata"].delete("project") is True
    assert caches["entity_metadata"].delete("project") is False


def test_to_clear_an_alias_removes_its_own_keys_and_nothing_else(document: object, redis_client: Redis) -> None:
    default_cache.set("gone", 1)
    default_cache.set("gone", 1, version=2)
    default_cache.set_many({f"many{number}": number for number in range(450)})
    caches["sessions"].set("kept", 2)
    redis_client.set("defaulted", "kept")
    redis_client.set("{cache_layer:analytics}:day:1", "kept")
    others = {key for key in redis_client.keys("*") if not key.startswith(b"default:")}
    default_cache.clear()
    assert set(redis_client.keys("*")) == others
    assert caches["sessions"].get("kept") == 2
    assert caches["entity_metadata"].get("project") == document


@pytest.mark.parametrize("method", ["get", "set", "add", "delete", "get_many", "incr_version", "has_key"])
def test_versions_which_entries_do_not_have_are_refused_and_not_left_out(document: object, method: str) -> None:
    caches["entity_metadata"].set("project", document)
    arguments = {"set": ["project", document], "add": ["project", document], "get_many": [["project"]]}
    version = {} if method == "incr_version" else {"version": 2}
    with pytest.raises(ValueError, match="no versions of Django's"):
        getattr(caches["entity_metadata"], method)(*arguments.get(method, ["project"]), **version)
    assert caches["entity_metadata"].get("project") == document


def test_clear_leaves_other_caches_alone(document: object, redis_client: Redis) -> None:
    default_cache.set("kept", 1)
    caches["entity_metadata"].clear()
    assert redis_client.keys("entity:metadata:*") == []
    assert default_cache.get("kept") == 1


def test_another_time_out_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="300 s"):
        caches["entity_metadata"].set("project", document, timeout=5)


def test_get_or_set_gives_the_document(document: object) -> None:
    caches["entity_metadata"].delete("project")
    read = get_entity_infrastructure().get_entity
    assert caches["entity_metadata"].get_or_set("project", lambda: read("project")) == document
