"""`assert_never_stale` passes on a project that writes by Django, and fails on one that writes past the protocol."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from redis import Redis

from cache_layer.declaring.decorator import _lookup
from cache_layer.lookup.registry import _registry
from cache_layer.testing import assert_never_stale
from cache_layer.testing.run import MIN_READS
from entities.lookups import ENTITY_TYPES
from tests.conftest import make_entity
from tests.otherapp.lookups import RATE
from tests.otherapp.models import Rate

pytestmark = pytest.mark.usefixtures("committed_db")
SECONDS = 0.2


def test_what_is_written_by_django_is_never_stale() -> None:
    Rate.objects.bulk_create([Rate(name=name, cents_per_hour=0) for name in ("a", "b", "c", "d")])
    assert assert_never_stale(RATE, SECONDS) >= MIN_READS


def test_neither_is_a_single_entry_with_a_stamp() -> None:
    make_entity("project")
    assert assert_never_stale(ENTITY_TYPES, SECONDS) >= MIN_READS


def test_where_there_is_nothing_to_change_it_asks_for_a_write() -> None:
    Group.objects.create(name="editors")
    with pytest.raises(ValueError, match="pass `write`"):
        assert_never_stale(_lookup(Group, "id", [], 60, ""), SECONDS)


def by_sql(name: str, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE otherapp_rate SET cents_per_hour = %s WHERE name = %s", [number, name])


def test_what_is_written_past_the_protocol_is_found() -> None:
    Rate.objects.create(name="senior", cents_per_hour=0)
    with pytest.raises(AssertionError, match="rate 'senior': a read that began when write"):
        assert_never_stale(RATE, SECONDS, write=by_sql)


def test_what_is_cached_before_it_is_committed_is_found(redis_client: Redis) -> None:
    Rate.objects.create(name="senior", cents_per_hour=0)

    def write(name: str, number: int) -> None:
        Rate.objects.filter(name=name).update(cents_per_hour=number)
        redis_client.set(f"rate:{name}", str(number))

    with pytest.raises(AssertionError, match="what was rolled back"):
        assert_never_stale(RATE, SECONDS, write=write)


@pytest.mark.proof
def test_a_writer_that_does_not_wait_for_copies_elsewhere_is_found(
    monkeypatch: pytest.MonkeyPatch, set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=500)  # longer than a write takes on a busy machine
    monkeypatch.setattr("cache_layer.memory.pending.Write.drain", lambda _: None)
    Rate.objects.create(name="senior", cents_per_hour=0)
    with pytest.raises(AssertionError, match="had returned gave what write"):
        assert_never_stale(RATE, SECONDS)


def test_a_document_that_reads_more_than_it_says_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful = _lookup(Rate, "name", ["cents_per_hour"], 60, "")
    object.__setattr__(forgetful, "columns_read", frozenset({"name"}))
    monkeypatch.setitem(_registry, "forgetful", forgetful)
    monkeypatch.delitem(_registry, "rate")
    Rate.objects.create(name="senior", cents_per_hour=0)

    def write(name: str, number: int) -> None:
        Rate.objects.filter(name=name).update(cents_per_hour=number)

    with pytest.raises(AssertionError, match="past `save`"):
        assert_never_stale(forgetful, SECONDS, write=write)


def test_without_commits_it_says_what_to_do() -> None:
    with transaction.atomic(), pytest.raises(ValueError, match="TransactionTestCase"):
        assert_never_stale(RATE)


def test_a_write_that_changes_nothing_proves_nothing() -> None:
    with pytest.raises(ValueError, match="make a row first"):
        assert_never_stale(RATE)
    Rate.objects.create(name="senior", cents_per_hour=0)
    with pytest.raises(ValueError, match="left the document as it was"):
        assert_never_stale(RATE, write=lambda *_: None)
