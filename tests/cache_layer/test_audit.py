"""Later repairs: the audit, and the relay after a writer has delivered its change itself."""

from io import StringIO
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from redis import Redis

from cache_layer import metrics
from cache_layer.errors import CacheUnavailable
from cache_layer.keys import delivered_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.models import Change
from cache_layer.protocol.scripts import HoldRelease, hold_keys, read_stamps, release_keys
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep import audit
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing import release, writes
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from tests.conftest import make_entity

KEY = "entity:metadata:project"

pytestmark = pytest.mark.usefixtures("committed_db")


def test_a_healthy_cache_has_no_mismatch() -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    read_entry(ENTITY_TYPES, "")
    output = StringIO()
    call_command("audit_cache", stdout=output)
    assert output.getvalue() == "3 values compared, 0 differ.\n"


def test_a_wrong_value_is_reported_by_age_and_repaired(redis_client: Redis) -> None:
    make_entity("project", label="Right")
    wrong = redis_client.get(KEY).replace(b"Right", b"Wrong")
    redis_client.set(KEY, wrong, ex=200)
    drop_all_copies()
    (mismatch,) = audit_cache().mismatches
    assert (mismatch.entry.key, mismatch.cached) == (KEY, wrong)
    assert mismatch.age_seconds == pytest.approx(100, abs=5)
    document = read_entry(ENTITY, "project").document
    assert document
    assert document.label == "Right"
    assert audit_cache().mismatches == ()


def test_a_value_that_changes_between_the_two_comparisons_is_no_mismatch(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_client.set("entity:metadata:ghost", b"{}", ex=300)
    monkeypatch.setattr(audit.time, "sleep", lambda _: redis_client.set("entity:metadata:ghost", b"[]", ex=300))
    assert audit_cache().mismatches == ()


def test_values_that_no_row_accounts_for_are_mismatches_and_do_not_stop_the_audit(
    redis_client: Redis,
) -> None:
    make_entity("project")
    wrong = {"people:group:abc", f"people:group:{10**30}", "people:sign_in:xyz", "people:user:abc", "entity:metadata:x"}
    wrong |= {KEY, "entity:types"}
    for key in wrong:
        redis_client.set(key, b"{}", ex=300)
    redis_client.hset("entity:metadata:hash", "a", "b")
    assert {mismatch.entry.key for mismatch in audit_cache().mismatches} == wrong | {"entity:metadata:hash"}
    assert audit_cache().mismatches == ()
    assert redis_client.exists("entity:metadata:hash", *wrong) == 0


def test_without_repair_the_command_reports_and_leaves_the_value(redis_client: Redis) -> None:
    redis_client.set("entity:metadata:ghost", b"{}", ex=300)
    output = StringIO()
    with pytest.raises(CommandError, match="left as they are"):
        call_command("audit_cache", "--no-repair", stdout=output)
    assert "1 values compared, 1 differ." in output.getvalue()
    assert redis_client.exists("entity:metadata:ghost") == 1


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


def test_the_relay_deletes_but_does_not_count_what_a_writer_delivered(left: Entity, redis_client: Redis) -> None:
    read_entry(ENTITY_TYPES, "")
    before = counted()
    assert relay_changes() == 0
    assert (Change.objects.count(), counted()) == (0, before)
    assert redis_client.exists(KEY) == 1
    assert redis_client.exists("entity:types") == 0, "the writer may not have delivered this yet"


def test_if_the_delivery_note_is_lost_everything_is_delivered_again(left: Entity, redis_client: Redis) -> None:
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


def test_a_delivery_note_expires_after_five_seconds(redis_client: Redis) -> None:
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


def test_a_change_ends_the_stamp_that_the_list_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    make_entity("project")
    read_stamps([LIST_STAMP], "a nonce", 60)
    Entity.objects.update(label="New")
    assert read_stamps([LIST_STAMP], "the next", 60)[LIST_STAMP].startswith(b"the next:")
    monkeypatch.setattr(writes, "hold_keys", Mock(side_effect=CacheUnavailable("gone", refused=True)))
    Entity.objects.update(label="Newer")
    assert read_stamps([LIST_STAMP], "the last", 60)[LIST_STAMP].startswith(b"the last:"), "though it was not held"
