"""A second model, of another app, is coherent because it declares a lookup and its triggers; nothing else knows it."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from redis import Redis

from cache_layer.invalidation.relay import relay_changes
from cache_layer.local_store import drop_all_copies
from cache_layer.reads import Source, read_entry
from tests.otherapp.lookups import RATE
from tests.otherapp.models import Rate

pytestmark = pytest.mark.usefixtures("committed_db")


def cents(name: str) -> int | None:
    return read_entry(RATE, name).document


def test_it_is_cached_under_its_own_key(redis_client: Redis) -> None:
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert redis_client.get("rate:senior") == b"9000"
    drop_all_copies()
    assert read_entry(RATE, "senior").source is Source.REDIS


def test_a_change_is_seen_at_once() -> None:
    rate = Rate.objects.create(name="senior", cents_per_hour=9_000)
    rate.cents_per_hour = 9_500
    rate.save()
    assert cents("senior") == 9_500


def test_a_changed_identifier_is_seen_under_both() -> None:
    rate = Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert cents("lead") is None
    rate.name = "lead"
    rate.save()
    assert (cents("senior"), cents("lead")) == (None, 9_000)


def test_a_bulk_change_of_the_identifier_is_seen_under_both() -> None:
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert cents("lead") is None
    Rate.objects.filter(name="senior").update(name="lead")
    assert (cents("senior"), cents("lead")) == (None, 9_000)


def test_a_change_behind_django_is_seen_under_both_when_relayed() -> None:
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert (cents("senior"), cents("lead")) == (9_000, None)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE otherapp_rate SET name = 'lead'")
    relay_changes()
    drop_all_copies()
    assert (cents("senior"), cents("lead")) == (None, 9_000)


def test_two_models_in_one_transaction_are_both_released() -> None:
    rate = Rate.objects.create(name="senior", cents_per_hour=9_000)
    with transaction.atomic():
        rate.cents_per_hour = 1
        rate.save()
        Rate.objects.create(name="junior", cents_per_hour=2)
    assert (cents("senior"), cents("junior")) == (1, 2)
    drop_all_copies()
    assert read_entry(RATE, "junior").source is Source.REDIS
