"""The audit finds what differs, repairs it, and finds nothing on a healthy system."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from redis import Redis

from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep import audit
from cache_layer.upkeep.audit import audit_cache
from entities.lookups import ENTITY, ENTITY_TYPES
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


def test_a_value_that_changes_between_the_two_looks_is_under_way_and_no_mismatch(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_client.set("entity:metadata:ghost", b"{}", ex=300)
    monkeypatch.setattr(audit.time, "sleep", lambda _: redis_client.set("entity:metadata:ghost", b"[]", ex=300))
    assert audit_cache().mismatches == ()


def test_a_value_without_a_row_of_another_type_or_that_no_row_can_have_is_a_mismatch_and_ends_no_audit(
    redis_client: Redis,
) -> None:
    make_entity("project")
    wrong = {"people:group:abc", f"people:group:{10**30}", "people:sign_in:xyz", "people:user:abc", "entity:metadata:x"}
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
