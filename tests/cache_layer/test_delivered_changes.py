"""A change is counted once: the relay leaves alone what a writer has delivered to Redis, and nothing else."""

from __future__ import annotations

import pytest
from redis import Redis

from cache_layer import metrics
from cache_layer.keys import delivered_key
from cache_layer.models import Change
from cache_layer.protocol.scripts import HoldRelease, hold_keys, read_stamps, release_keys
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing import release
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

KEY = "entity:metadata:project"
STAMP, LIST_STAMP = ENTITY.stamp_key("project"), ENTITY_TYPES.stamp_key("")


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Entity:
    """A row whose last change its writer has delivered to Redis, but not deleted from the outbox yet."""
    row = make_entity("project", label="Old")
    read_entry(ENTITY_TYPES, "")
    monkeypatch.setattr(release, "forget_changes", lambda *_, **__: None)
    row.label = "New"
    row.save()
    assert Change.objects.count() == 1
    return row


def counted() -> tuple[float, float]:
    return metrics.INVALIDATIONS.labels("sql")._value.get(), metrics.RELAYED_CHANGES._value.get()


def test_what_a_writer_delivered_the_relay_deletes_and_does_not_count(left: Entity, redis_client: Redis) -> None:
    read_entry(ENTITY_TYPES, "")
    before = counted()
    assert relay_changes() == 0
    assert (Change.objects.count(), counted()) == (0, before)
    assert redis_client.exists(KEY) == 1
    assert redis_client.exists("entity:types") == 0, "the writer may not have delivered this yet"


def test_when_the_note_is_lost_everything_is_delivered_again(left: Entity, redis_client: Redis) -> None:
    redis_client.delete(delivered_key(KEY))
    relay_changes()
    assert Change.objects.count() == 0
    assert redis_client.exists(KEY) == 0


def test_a_release_whose_hold_was_lost_notes_nothing(redis_client: Redis) -> None:
    """Its writer may die before it has waited: then the relay must deliver."""
    hold_keys([KEY], "a writer")
    redis_client.flushdb()
    release_keys([HoldRelease(KEY, "a writer", changes=(1, 2))])
    assert redis_client.exists(delivered_key(KEY)) == 0


def test_the_note_lasts_for_seconds_however_many_there_are(redis_client: Redis) -> None:
    for number in range(3):
        hold_keys([KEY], f"writer {number}")
        release_keys([HoldRelease(KEY, f"writer {number}", changes=(number,))])
    assert redis_client.zrange(delivered_key(KEY), 0, -1) == [b"0", b"1", b"2"]
    assert 4_000 < redis_client.pttl(delivered_key(KEY)) <= 5_000
    redis_client.zadd(delivered_key(KEY), {b"0": 1})
    hold_keys([KEY], "another")
    release_keys([HoldRelease(KEY, "another", changes=(9,))])
    assert redis_client.zrange(delivered_key(KEY), 0, -1) == [b"1", b"2", b"9"]


def test_the_audits_repair_ends_the_stamp(redis_client: Redis) -> None:
    make_entity("project")
    read_stamps([STAMP], "a nonce", 60)
    redis_client.set(KEY, b"wrong")
    audit_cache()
    assert read_stamps([STAMP], "the next", 60)[STAMP].startswith(b"the next:")


def test_a_change_ends_the_stamp_that_the_list_rests_on() -> None:
    make_entity("project")
    read_stamps([LIST_STAMP], "a nonce", 60)
    Entity.objects.update(label="New")
    assert read_stamps([LIST_STAMP], "the next", 60)[LIST_STAMP].startswith(b"the next:")
