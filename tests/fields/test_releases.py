"""Values that an earlier or a later release has written: used, or loaded anew, and nobody's fault."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from cache_layer.errors import OtherRelease
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.metrics import REFUSED_VALUES
from cache_layer.reading.reads import Source, read_entry
from cache_layer.upkeep import audit
from cache_layer.upkeep.audit import audit_cache
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from pmo.documents import GroupDocument, _seal
from pmo.lookups import GROUP
from tests.conftest import make_entity

KEYS = {ENTITY: ("project", "entity:metadata:project"), ENTITY_TYPES: ("", "entity:types")}
BOTH = pytest.mark.parametrize("lookup", KEYS, ids=lambda lookup: lookup.name)


@pytest.fixture
def project(committed_db: None) -> Entity:
    return make_entity("project")


@pytest.fixture
def refused() -> Callable[[], float]:
    """How many values were refused since."""
    before = REFUSED_VALUES._value.get()
    return lambda: REFUSED_VALUES._value.get() - before


def later(own: bytes) -> bytes:
    """With one member more in each document."""
    return own.replace(b"}", b',"remark":"By a later one"}')


def earlier(own: bytes) -> bytes:
    """With one member less."""
    documents = json.loads(own)
    for document in documents if isinstance(documents, list) else [documents]:
        document.popitem()
    return json.dumps(documents, separators=(",", ":")).encode()


@BOTH
def test_of_a_later_release_the_members_we_know_are_read_and_an_earlier_ones_are_loaded_anew(
    project: Entity, redis_client: Redis, refused: Callable[[], float], lookup: Any
) -> None:
    identifier, key = KEYS[lookup]
    own = read_entry(lookup, identifier)
    for written, source, kept in (
        (later(own.payload), Source.REDIS, later(own.payload)),
        (earlier(own.payload), Source.DATABASE, own.payload),
    ):
        redis_client.set(key, written)
        drop_all_copies()
        found = read_entry(lookup, identifier)
        assert (found.source, found.document, found.payload) == (source, own.document, own.payload)
        assert (redis_client.get(key), refused()) == (kept, 0)


@BOTH
def test_the_audit_finds_no_fault_with_other_releases_but_with_what_is_old(
    project: Entity, redis_client: Redis, monkeypatch: pytest.MonkeyPatch, lookup: Any
) -> None:
    monkeypatch.setattr(audit.time, "sleep", lambda _: None)
    identifier, key = KEYS[lookup]
    own = read_entry(lookup, identifier).payload
    for written in (later, earlier):
        redis_client.set(key, written(own))
        assert audit_cache().mismatches == ()
        redis_client.set(key, written(own.replace(b'"Project"', b'"Old"')))
        assert [mismatch.entry.key for mismatch in audit_cache().mismatches] == [key]


@pytest.mark.parametrize(
    ("payload", "is_usable"), [(b'{"id":7,"permissions":[],"members":3}', True), (b'{"id":7}', False)]
)
def test_what_is_sealed_may_be_of_another_release(payload: bytes, is_usable: bool) -> None:
    document = GroupDocument(7, ())
    with pytest.raises(OtherRelease) as found:
        GROUP.decode("7", _seal(GroupDocument, "7", payload) + payload)
    assert found.value.document == (document if is_usable else None)
    assert found.value.agrees_with(document)
    assert not found.value.agrees_with(GroupDocument(8, ()))
    with pytest.raises(ValueError, match="not sealed"):
        GROUP.decode("7", payload)
