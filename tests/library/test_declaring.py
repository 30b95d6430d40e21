"""`@coherent`: what it makes of a model, and what it says of a mistake."""

import datetime
import importlib
import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pgtrigger
import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.core.cache import caches
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models, transaction
from django.test.utils import isolate_apps, override_settings

import cache_layer.models
from cache_layer import OtherRelease, Source, coherent
from cache_layer.declaring.decorator import _lookup
from cache_layer.declaring.entries import CoherentLookup
from cache_layer.errors import InvalidLookup
from cache_layer.inspect.checks import check_databases, check_migrations
from cache_layer.invalidation.queryset import CoherentManager
from cache_layer.invalidation.signals import connect_signals
from cache_layer.lookup import Lookup, register
from cache_layer.lookup.registry import _registry
from cache_layer.management.commands.coherent_cache import key_patterns
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading import asynchronous
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.upkeep.audit import audit_cache
from pmo import settings as project_settings
from tests.otherapp.models import Rate
from tests.threads import run_coroutine

BACKEND = "cache_layer.backend.CoherentCache"


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch, committed_db: None) -> CoherentLookup[Any]:
    """As `@coherent(key="name", fields=["id", "cents_per_hour"])` of a model whose triggers are there makes them."""
    lookup = _lookup(Rate, "name", ["id", "cents_per_hour"], 60, "")
    monkeypatch.setitem(_registry, lookup.name, lookup)
    return lookup


def test_entries_are_read_by_their_key(rates: CoherentLookup[Any]) -> None:
    senior, _ = (Rate.objects.create(name=name, cents_per_hour=cents) for name, cents in (("senior", 9), ("lead", 8)))
    assert rates.get("senior") == ("senior", senior.pk, 9)
    assert rates.get("senior").cents_per_hour == 9
    assert (rates.get("nobody"), rates.get("nobody", "default")) == (None, "default")
    assert {name: rate.cents_per_hour for name, rate in rates.get_many(["lead", "nobody", "senior"]).items()} == {
        "lead": 8,
        "senior": 9,
    }
    assert rates.invalidate("lead", "nobody") == 1
    Rate.objects.filter(name="senior").update(cents_per_hour=7)
    assert rates.get("senior").cents_per_hour == 7


def test_a_coroutine_needs_no_thread_for_what_is_in_memory(
    rates: CoherentLookup[Any], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    for name in ("senior", "lead"):
        Rate.objects.create(name=name, cents_per_hour=9)
    threads: list[int] = []

    def note(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return read_entries(*args)

    monkeypatch.setattr(asynchronous, "read_entries", note)

    async def read() -> list[int | None]:
        return [
            (await rates.aget("senior")).cents_per_hour,
            (await rates.aget_many(["senior"]))["senior"].cents_per_hour,
            len(await rates.aget_many(["senior", "lead"])),
        ]

    assert run_coroutine(read()) == [9, 9, 2]
    assert len(threads) == 2, "the first read of each went to Redis"
    assert threading.get_ident() not in threads


def test_a_coroutine_inside_a_transaction_reads_its_own_write(rates: CoherentLookup[Any], waits: list[float]) -> None:
    Rate.objects.create(name="senior", cents_per_hour=9)
    assert rates.get("senior").cents_per_hour == 9
    with transaction.atomic():
        Rate.objects.filter(name="senior").update(cents_per_hour=1)
        assert async_to_sync(rates.aget)("senior").cents_per_hour == 1


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch, committed_db: None) -> CoherentLookup[Any]:
    """A model of others, by a key of numbers."""
    lookup = _lookup(Group, "id", ["name"], 60, "")
    monkeypatch.setitem(_registry, lookup.name, lookup)
    return lookup


def test_a_key_that_no_row_can_have_is_no_error(groups: CoherentLookup[Any]) -> None:
    group = Group.objects.create(name="editors")
    found = groups.get_many([group.pk, "x", "01", "", 2**70, -1])
    assert [document.name for document in found.values()] == ["editors"]


@pytest.mark.parametrize("key", ["a\0b", "\ud800"])
def test_text_that_no_row_can_have_is_no_error(rates: CoherentLookup[Any], key: str) -> None:
    assert (rates.get(key), rates.get_many([key]), run_coroutine(rates.aget(key)), rates.invalidate(key)) == (
        *(None, {}, None, 0),
    )
    where = project_settings.CACHES["default"]["LOCATION"]
    with override_settings(CACHES=project_settings.CACHES | {"entries": {"BACKEND": BACKEND, "LOCATION": where}}):
        cache = caches["entries"]
    for name in (f"otherapp.rate:{key}", f"rate:{key}"):
        assert (cache.get(name, "none"), run_coroutine(cache.aget(name, "none"))) == ("none", "none")
        assert (name in cache, cache.get_many([name]), cache.delete(name)) == (False, {}, False)
        assert cache.delete_many([name]) is None
    assert list(rates.rows([key])) == []


def test_what_django_changes_by_the_base_manager_of_a_model_of_others_is_seen_at_once(
    groups: CoherentLookup[Any],
) -> None:
    """It does for `SET_NULL`."""
    group = Group.objects.create(name="editors")
    assert groups.get(group.pk).name == "editors"
    Group._base_manager.filter(pk=group.pk).update(name="writers")
    assert groups.get(group.pk).name == "writers"


# --- Documents --------------------------------------------------------------------------------------------------------

UTC = datetime.UTC
VALUES = {
    "code": "é}",
    "text": None,
    "number": 2**40,
    "flag": True,
    "share": 0.1,
    "price": Decimal("1.50"),
    "day": datetime.date(2026, 2, 28),
    "moment": datetime.datetime(2026, 2, 28, 1, 2, 3, 456_789, UTC),
    "time": datetime.time(1, 2, 3, 4),
    "lasts": datetime.timedelta(days=-1, microseconds=1),
    "number_of": UUID(int=7),
    "address": "::1",
    "data": {"b": [1, {"c": None}], "a": 1.5},
    "days": [[datetime.date(2026, 1, 1)], []],
    "owner_id": 3,
}


@pytest.fixture
def everything() -> Iterator[Lookup[Any]]:
    with isolate_apps("tests.otherapp", "django.contrib.auth", "django.contrib.contenttypes"):

        class Owner(models.Model):
            class Meta:
                app_label = "otherapp"

        class Everything(models.Model):
            code = models.SlugField(unique=True)
            text = models.TextField(null=True)  # noqa: DJ001 - to have one
            number = models.BigIntegerField()
            flag = models.BooleanField()
            share = models.FloatField()
            price = models.DecimalField(max_digits=5, decimal_places=2)
            day = models.DateField()
            moment = models.DateTimeField()
            time = models.TimeField()
            lasts = models.DurationField()
            number_of = models.UUIDField()
            address = models.GenericIPAddressField()
            data = models.JSONField()
            days = ArrayField(ArrayField(models.DateField()))
            owner = models.ForeignKey(Owner, models.CASCADE)

            class Meta:
                app_label = "otherapp"

        yield _lookup(Everything, "code", [name.removesuffix("_id") for name in VALUES if name != "code"], 60, "")


def test_every_kind_of_value_comes_back_as_it_was_and_cannot_be_changed(everything: Lookup[Any]) -> None:
    document = everything.build([type("Row", (), VALUES)])
    payload = everything.encode(document)
    again = everything.decode("é}", payload)
    assert again == document
    assert list(map(type, again)) == list(map(type, document))
    assert again.days == ((datetime.date(2026, 1, 1),), ())
    assert isinstance(again.data, MappingProxyType)
    assert again.data["b"][1] == {"c": None}


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"flag":true', b'"flag":1'),
        (b'"number":1099511627776', b'"number":"1099511627776"'),
        (b'"day":"2026-02-28"', b'"day":"2026-02-30"'),
        (b'"price":"1.50"', b'"price":1.5'),
        (b'"share":0.1', b'"share":"much"'),
        (b'"text":null,', b""),
        (b'"text":null', b'"text":null,"text":null'),
        (b'"days":[["2026-01-01"],[]]', b'"days":7'),
        (b"{", b"[{"),
    ],
)
def test_bytes_that_are_not_written_so_are_refused_as_values(
    everything: Lookup[Any], written: bytes, instead: bytes
) -> None:
    payload = everything.encode(everything.build([type("Row", (), VALUES)]))
    assert written in payload
    with pytest.raises(ValueError, match=r"."):
        everything.decode("é}", payload.replace(written, instead, 1))


def test_two_releases_share_an_entry_whose_fields_one_has_more_of(
    monkeypatch: pytest.MonkeyPatch, committed_db: None, redis_client: Any
) -> None:
    old = _lookup(Rate, "name", ["cents_per_hour"], 60, "shared:{}")
    new = _lookup(Rate, "name", ["cents_per_hour", "id"], 60, "shared:{}")
    monkeypatch.setitem(_registry, new.name, new)
    senior = Rate.objects.create(name="senior", cents_per_hour=9)
    for lookup, source, document in (
        (new, Source.REDIS, ("senior", 9, senior.pk)),
        (old, Source.REDIS, ("senior", 9)),
    ):
        drop_all_copies()
        found = read_entry(lookup, "senior")
        assert (found.source, found.document) == (source, document)
    assert old.payload_of(found.document) == found.payload
    for payload, document in ((old.encode(("senior", 9)), None), (b'{"name":"senior"}', None)):
        with pytest.raises(OtherRelease) as other:
            new.decode("senior", payload)
        assert other.value.document is document
    assert audit_cache().mismatches == ()
    for payload, wrong in ((old.encode(("senior", 9)), 0), (old.encode(("senior", 8)), 1)):
        redis_client.set("shared:senior", payload)
        assert len(audit_cache().mismatches) == wrong


@pytest.mark.parametrize(
    "payload",
    [
        b'{"name":"senior","cents_per_hour":"9"}',
        b'{"name":"senior","cents_per_hour":"9","id":1}',
        b'{"name":"senior", "cents_per_hour":9,"id":1}',
        b'{"name":"senior","id":1,"cents_per_hour":9}',
        b'{"name":"senior","id":1}',
        b'{"name":"other","cents_per_hour":9,"id":1}',
        b'{"name":"other"}',
        b'{"name":"senior","cents_per_hour":9,"cents_per_hour":9}',
        b'{ "name":"senior"}',
        b"{}",
        b"[]",
        b"[" * 200_000,
    ],
)
def test_bytes_that_no_release_writes_are_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as found:
        _lookup(Rate, "name", ["cents_per_hour"], 60, "").decode("senior", payload)
    assert not isinstance(found.value, OtherRelease)


# --- Mistakes ---------------------------------------------------------------------------------------------------------


class Unlike(models.CharField):
    def from_db_value(self, value: str, *_: object) -> object:
        return [value]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"fields": ["centz"]}, r"there is no field 'centz': did you mean 'cents'\?"),
    ({"fields": ["zzz"]}, "there is no field 'zzz': it has id, name, cents, "),
    ({"fields": ["raw"]}, "JSON cannot carry 'raw', a BinaryField, there and back; leave it out"),
    ({"fields": ["own"]}, "JSON cannot carry 'own', a Unlike"),
    ({"fields": ["friends"]}, "'friends' is stored in other rows"),
    ({"fields": ["_hidden"]}, "a document cannot have these names: .*'_hidden'"),
    ({"fields": "cents"}, r"use a list, \['cents'\]"),
    ({"key": "cents"}, "the key 'cents' is not unique"),
    ({"key": "moment"}, "the key 'moment' is a DateTimeField; use one of whole numbers, text or UUIDs"),
    ({"ttl_seconds": 0}, "ttl_seconds is 0: use whole seconds, 1 or more"),
    ({"key_pattern": "priced"}, "it must have one {}, for the identifier"),
    ({"key_pattern": "{}"}, "begin it with a prefix of your own"),
    ({"key_pattern": "cache_layer:{}"}, "begin it with a prefix of your own"),
    ({"key_pattern": "rate[v2]:{}"}, r"without any of \* \? \["),
    ({"key_pattern": "rate:{}:full"}, "the lookup 'rate' of otherapp.Rate already has this name, or keys of this"),
    ({"key_pattern": "rate:{}"}, "the lookup 'rate' of otherapp.Rate already has this name, or keys of this pattern"),
]


@pytest.mark.parametrize(("wrong", "message"), MISTAKES)
def test_a_mistake_is_named_with_what_would_do(wrong: dict[str, Any], message: str) -> None:
    before = list(_registry), pgtrigger.registered()
    with isolate_apps("tests.otherapp"), pytest.raises(InvalidLookup, match=message):

        @coherent(**({"key": "name", "fields": ["cents"]} | wrong))
        class Priced(models.Model):
            name = models.CharField(max_length=9, unique=True)
            cents = models.IntegerField()
            _hidden = models.IntegerField()
            raw = models.BinaryField()
            own = Unlike(max_length=9)
            moment = models.DateTimeField(unique=True)
            friends = models.ManyToManyField("self")

            class Meta:
                app_label = "otherapp"

    assert (list(_registry), pgtrigger.registered()) == before


@isolate_apps("tests.otherapp")
def test_a_field_may_have_any_name(monkeypatch: pytest.MonkeyPatch, committed_db: None) -> None:
    class Log(models.Model):
        changes = models.TextField(unique=True)
        may_be_cached = models.BooleanField()
        objects = CoherentManager()

        class Meta:
            app_label = "otherapp"
            db_table = "log_of_changes"

    monkeypatch.setitem(_registry, "log", _lookup(Log, "changes", ["may_be_cached"], 60, "log:{}"))
    connect_signals(Log)
    with connection.schema_editor() as editor:
        editor.create_model(Log)
    try:
        Log.objects.create(changes="some", may_be_cached=False)
        assert _registry["log"].get("some").may_be_cached is False
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Log)


def a_lookup(**wrong: Any) -> Lookup[Any]:
    right: dict[str, Any] = {
        "name": "wrong",
        "model": Rate,
        "identifier_field": "name",
        "key_pattern": "wrong:{}",
        "rows": lambda names: Rate.objects.filter(name__in=names),
        "build": lambda rows: rows[0].cents_per_hour if rows else None,
        "encode": lambda cents: b"%d" % cents,
        "decode": lambda _, payload: int(payload),
    }
    return Lookup(**(right | wrong))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"decode": lambda payload: payload}, r"decode is called as decode\(identifier, payload\)"),
        ({"build": lambda: None}, r"build is called as build\(rows\)"),
        ({"identifier_field": None}, "it must have no {}: it has one entry"),
        ({"name": "rate"}, "the lookup 'rate' of otherapp"),
    ],
)
def test_a_lookup_that_cannot_work_is_refused_when_it_is_declared(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidLookup, match=message):
        register(a_lookup(**wrong))


def test_an_encode_without_bytes_is_named_and_not_taken_for_an_absence(
    monkeypatch: pytest.MonkeyPatch, committed_db: None
) -> None:
    Rate.objects.create(name="senior", cents_per_hour=9)
    with pytest.raises(InvalidLookup, match="encode returned '9': it must return bytes"):
        read_entry(a_lookup(encode=str), "senior")


def test_a_decode_that_raises_anything_makes_a_miss(committed_db: None, redis_client: Any) -> None:
    Rate.objects.create(name="senior", cents_per_hour=9)
    redis_client.set("wrong:senior", b"[]")
    lookup = a_lookup(decode=lambda _, payload: {b"9": 9}[payload])
    assert read_entry(lookup, "senior").document == 9


# --- What must be installed -------------------------------------------------------------------------------------------


def ids(messages: Iterable[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_without_its_app_the_start_says_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda _: False)
    with pytest.raises(ImproperlyConfigured, match="Add 'cache_layer' and 'pgtrigger' to INSTALLED_APPS"):
        importlib.reload(cache_layer.models)


def test_checks_find_what_is_missing_around_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ids(check_databases())
    with monkeypatch.context() as patched:
        patched.setattr(apps, "is_installed", lambda _: False)
        assert ids(check_databases()) == ["cache_layer.E004"]
    monkeypatch.setattr(connection, "vendor", "sqlite")
    assert set(ids(check_databases())) == {"cache_layer.E005"}


def test_a_migration_whose_triggers_come_before_the_outbox_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_migrations(databases=["default"]) == []
    migration = importlib.import_module("tests.otherapp.migrations.0001_initial").Migration
    monkeypatch.setattr(migration, "dependencies", [])
    (message,) = check_migrations(databases=["default"])
    assert message.id == "cache_layer.E006"
    assert "otherapp.0001_initial" in message.msg


def test_the_patterns_for_redis_are_of_keys_as_they_are_written() -> None:
    assert key_patterns([a_lookup(key_pattern="a%{b}:{}")])[:2] == ["a%25%7Bb%7D:*", "{a%25%7Bb%7D:*}*"]
