"""A second model, in another app, needs only a lookup and triggers to be coherent; nothing else knows about it."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain

import pytest
from django.db import NotSupportedError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Upper
from redis import Redis
from redis.crc import key_slot

from cache_layer.keys import holds_key, last_holder_key, lease_key, value_key
from cache_layer.lookup.registry import _registry
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep.clearing import clear_entries, scan_entries
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing.outbox import Backlog
from tests.conftest import make_entity
from tests.otherapp.lookups import RATE
from tests.otherapp.models import QuotedRate, Rate

pytestmark = pytest.mark.usefixtures("committed_db")


def cents(name: str) -> int | None:
    return read_entry(RATE, name).document


def save(rate: Rate) -> None:
    rate.name = "LEAD"
    rate.save()


def update(_: Rate) -> None:
    Rate.objects.filter(name="senior").update(name="LEAD")


def save_over(rate: Rate) -> None:
    Rate(pk=rate.pk, name="LEAD", cents_per_hour=9_000).save()


def save_computed(rate: Rate) -> None:
    rate.name = Upper(Value("lead"))  # type: ignore[assignment] # as Django allows
    rate.save()


def save_computed_in_transaction(rate: Rate) -> None:
    with transaction.atomic():
        save_computed(rate)


def update_annotated(_: Rate) -> None:
    Rate.objects.annotate(loud=Upper(Value("lead"))).update(name=F("loud"))


def bulk_update(rate: Rate) -> None:
    rate.name = "LEAD"
    Rate.objects.bulk_update([rate], ["name"])


@pytest.mark.parametrize(
    "change",
    [save, update, save_over, save_computed, save_computed_in_transaction, update_annotated, bulk_update],
)
def test_a_changed_identifier_is_seen_under_the_old_and_the_new_one(change: Callable[[Rate], None]) -> None:
    rate = Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert (cents("senior"), cents("LEAD")) == (9_000, None)
    change(rate)
    assert (cents("senior"), cents("LEAD")) == (None, 9_000)


def test_an_upsert_that_would_change_identifiers_is_refused() -> None:
    rate = Rate.objects.create(name="senior", cents_per_hour=9_000)
    rate.name = "lead"
    with pytest.raises(NotSupportedError, match="bulk_update"):
        Rate.objects.bulk_create([rate], update_conflicts=True, unique_fields=["id"], update_fields=["name"])


@pytest.mark.parametrize("create", [Rate.save, lambda rate: Rate.objects.bulk_create([rate])], ids=["save", "bulk"])
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "atomic"])
def test_an_identifier_that_the_database_gives_is_not_remembered_as_absent(
    create: Callable[[Rate], object], atomic: bool, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_number = dataclasses.replace(
        RATE,
        identifier_field="id",
        key_pattern="rate-by-number:{}",
        rows=lambda numbers: Rate.objects.filter(id__in=numbers),
    )
    monkeypatch.setitem(_registry, "rate by number", by_number)
    first = Rate.objects.create(name="senior", cents_per_hour=9_000)
    following = str(first.pk + 1)
    assert read_entry(by_number, following).document is None
    with transaction.atomic() if atomic else nullcontext():
        create(Rate(name="lead", cents_per_hour=1))
    assert read_entry(by_number, following).document == 1
    assert redis_client.keys("*:holds") == []


def test_writes_through_a_proxy_model_are_coherent() -> None:
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    quoted = QuotedRate.objects.get()
    quoted.cents_per_hour = 1
    quoted.save()
    assert cents("senior") == 1
    quoted.delete()
    assert cents("senior") is None


def test_changes_through_the_base_manager_are_seen_at_once() -> None:
    """Django uses it for `SET_NULL`, and to add related rows."""
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert cents("senior") == 9_000
    Rate._base_manager.update(cents_per_hour=1)
    assert cents("senior") == 1


HOSTILE_NAMES = ["a}:v2", "{b}:lease", "{}", "%7Bb", "é\n*[x]?", "ﬁ", "fi", "Fi", "x" * 30]


def test_names_of_any_letters_have_keys_of_their_own_in_one_slot_and_are_cleared(redis_client: Redis) -> None:
    Rate.objects.bulk_create([Rate(name=name, cents_per_hour=place) for place, name in enumerate(HOSTILE_NAMES)])
    for _ in range(2):
        drop_all_copies()
        assert [cents(name) for name in HOSTILE_NAMES] == [*range(len(HOSTILE_NAMES))]
    keys = [entry.key for entry in chain.from_iterable(scan_entries([RATE]))]
    assert sorted(map(RATE.identifier, keys)) == sorted(HOSTILE_NAMES)
    for key in keys:
        names = [value_key(key, 1), value_key(key, 2), lease_key(key), holds_key(key), last_holder_key(key)]
        assert len({key_slot(name.encode()) for name in names}) == 1
    assert clear_entries(RATE) == len(HOSTILE_NAMES)


def test_a_row_found_under_another_spelling_does_not_count() -> None:
    by_any_case = dataclasses.replace(RATE, rows=lambda names: Rate.objects.filter(name__iexact=names[0]))
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert read_entry(by_any_case, "SENIOR").document is None
    assert read_entry(by_any_case, "senior").document == 9_000


def test_a_relayed_change_of_an_identifier_is_seen_under_the_old_and_the_new_one() -> None:
    Rate.objects.create(name="senior", cents_per_hour=9_000)
    assert (cents("senior"), cents("lead")) == (9_000, None)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE otherapp_rate SET name = 'lead'")
    relay_changes()
    drop_all_copies()
    assert (cents("senior"), cents("lead")) == (None, 9_000)


def test_a_write_leaves_the_values_of_sixteen_entries_at_most(redis_client: Redis) -> None:
    Rate.objects.bulk_create([Rate(name=f"rate {number}", cents_per_hour=1) for number in range(16)])
    assert len(redis_client.keys("rate:*")) == 16
    Rate.objects.create(name="one more", cents_per_hour=1)
    with transaction.atomic():
        for cents_per_hour in (2, 3):
            Rate.objects.update(cents_per_hour=cents_per_hour)
    assert redis_client.keys("rate:*") == []
    assert Backlog.measure() == (0, 0)


def test_two_models_in_one_transaction_are_both_released(redis_client: Redis) -> None:
    rate, gone = (Rate.objects.create(name=name, cents_per_hour=9_000) for name in ("senior", "junior"))
    with transaction.atomic():
        make_entity("project")
        rate.cents_per_hour = 1
        rate.save()
        gone.delete()
        make_entity("task")
    assert Backlog.measure() == (0, 0)
    assert redis_client.mget("rate:senior", "rate:junior") == [b"1", None]
    assert redis_client.exists("entity:metadata:project", "entity:metadata:task") == 2
    assert (cents("senior"), cents("junior")) == (1, None)
