"""Reading one entry: from this process's memory, from Redis, from the database."""

import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic_ns
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis

from cache_layer import Source
from cache_layer.errors import CacheUnavailable
from cache_layer.keys import absent_key, holds_key, lease_key
from cache_layer.memory.local_store import (
    Copy,
    drop_all_copies,
    find_copy,
    keep_copy,
    look_at_copy,
    note_stamps,
    stamps_used_since,
)
from cache_layer.options import Options
from cache_layer.protocol.scripts import claim_fills, hold_keys
from cache_layer.reading import absent, fills, reads
from cache_layer.reading.absent import AbsentBudget
from cache_layer.reading.answered import fetch_stored
from cache_layer.reading.fills import read_missing
from cache_layer.reading.reads import read_entry
from entities.documents import EntityDocument, document_of, encode
from entities.lookups import ENTITY
from entities.models import Entity
from tests.cache_layer.conftest import Clock
from tests.cache_layer.project import KEY, TASK_KEY, claim_fill, fill_entry
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def project(committed_db: None, redis_client: Redis) -> Entity:
    make_entity("task")
    row = make_entity("project", child_entity_codes=["task"])
    redis_client.delete(KEY, TASK_KEY)
    drop_all_copies()
    return row


def read_and_count(commands: list[str]) -> tuple[list[str], int]:
    commands.clear()
    with CaptureQueriesContext(connection) as queries:
        read_entry(ENTITY, "project")
    return list(commands), len(queries)


def test_a_miss_is_a_get_two_scripts_and_a_query_and_a_hit_a_get_or_nothing(
    project: Entity, redis_client: Redis, commands: list[str], set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=2_000)
    for _ in range(2):  # the first time loads the scripts
        redis_client.delete(KEY)
        drop_all_copies()
        missed = read_and_count(commands)
    assert missed == (["GET", "EVALSHA", "EVALSHA"], 1)
    drop_all_copies()
    assert read_and_count(commands) == (["GET"], 0)
    assert read_and_count(commands) == ([], 0)


def test_each_hit_is_logged_at_debug_level(project: Entity, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    read_entry(ENTITY, "project")
    drop_all_copies()
    with caplog.at_level("DEBUG", "cache_layer"):
        for _ in range(2):
            read_entry(ENTITY, "project")
        reads.read_entries(ENTITY, ["project"])
    hits = [vars(record) for record in caplog.records if record.msg == "Cache hit"]
    assert [(hit["key"], hit["source"]) for hit in hits] == [(KEY, "L2"), (KEY, "L1"), (KEY, "L1")]


def test_redis_holds_exactly_the_document_under_exactly_the_key_for_300_seconds(
    project: Entity, redis_client: Redis
) -> None:
    read_entry(ENTITY, "project")
    created, modified = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (project.created_ts, project.modified_ts))
    stored = redis_client.get(KEY)
    assert stored.startswith(
        b'{"code":"project","entity_type":"project","label":"Project","label_plural":"Projects",'
        b'"icon":"FolderKanban","child_entity_codes":["task"],"active_flag":true,'
        b'"created_ts":"%s","modified_ts":"%s"' % (created.encode(), modified.encode())
    )
    assert stored == encode(document_of(project))
    assert redis_client.keys("entity:metadata:*") == [KEY.encode()]
    assert redis_client.ttl(KEY) == 300


def test_an_unknown_identifier_is_remembered_for_60_seconds(
    project: Entity, redis_client: Redis, django_assert_num_queries: Callable[[int], Any]
) -> None:
    assert read_entry(ENTITY, "nothing")[:3] == (None, b"", Source.DATABASE)
    drop_all_copies()
    with django_assert_num_queries(0):
        assert read_entry(ENTITY, "nothing")[:3] == (None, b"", Source.REDIS)
        assert read_entry(ENTITY, "nothing")[:3] == (None, b"", Source.LOCAL)
    assert redis_client.ttl(absent_key("entity:metadata:nothing")) == 60
    assert redis_client.keys("entity:metadata:*") == []


def test_random_identifiers_do_not_fill_redis(
    project: Entity, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absent, "budget", AbsentBudget())
    monkeypatch.setattr("cache_layer.reading.absent.get_options", lambda: Options(absent_entries=3))
    for number in range(10):
        assert read_entry(ENTITY, f"random_{number}").document is None
    assert len(redis_client.keys("*random*")) == 3


def test_the_absent_budget_is_restored_as_markers_expire(
    monkeypatch: pytest.MonkeyPatch, set_options: Callable[..., None]
) -> None:
    set_options(absent_entries=2, absent_ttl_seconds=60)
    now = 1_000.0
    monkeypatch.setattr(absent, "monotonic", lambda: now)
    budget = AbsentBudget()
    assert [budget.allows() for _ in range(3)] == [True, True, False]
    now += 59
    assert not budget.allows()
    now += 1
    assert [budget.allows() for _ in range(3)] == [True, True, False]


def test_an_inactive_row_is_not_cached(redis_client: Redis) -> None:
    make_entity("project", active_flag=False)
    assert read_entry(ENTITY, "project").document is None
    assert redis_client.exists(KEY) == 0


def test_a_key_of_another_type_is_a_miss_and_is_replaced(project: Entity, redis_client: Redis) -> None:
    redis_client.hset(KEY, "a", "b")
    assert read_entry(ENTITY, "project").source is Source.DATABASE
    assert redis_client.type(KEY) == b"string"


@pytest.mark.parametrize("slow", ["fetch_stored", "claim_fills", "fill_entries"])
def test_a_copy_is_leased_from_before_redis_was_asked(
    project: Entity, set_options: Callable[..., None], monkeypatch: pytest.MonkeyPatch, clock: Clock, slow: str
) -> None:
    set_options(local_lease_ms=50)
    ask, payload = getattr(fills, slow), ENTITY.encode(ENTITY.build([project]))

    def ask_slowly(*args: Any, **options: Any) -> Any:
        if slow != "fill_entries":  # another reader is quicker
            claim_fill(KEY, "token", replace=False)
            fill_entry(KEY, "token", payload, 300)
        answer = ask(*args, **options)
        clock.wait(0.05)
        return answer

    for module in (fills, reads):
        monkeypatch.setattr(module, slow, ask_slowly, raising=False)
    assert read_entry(ENTITY, "project").source is (Source.DATABASE if slow == "fill_entries" else Source.REDIS)
    assert read_entry(ENTITY, "project").source is Source.REDIS


def test_a_reader_waits_for_another_readers_fill(
    project: Entity, redis_client: Redis, set_options: Callable[..., None]
) -> None:
    set_options(fill_wait_ms=10_000, fill_lease_ms=20_000)
    claim_fill(KEY, "token", replace=False)
    payload = ENTITY.encode(ENTITY.build([project]))
    filling = threading.Timer(0.05, fill_entry, (KEY, "token", payload, 300))
    filling.start()
    assert read_entry(ENTITY, "project").source is Source.REDIS
    filling.join()


def test_a_reader_whose_redis_fails_while_it_waits_reads_the_database(
    project: Entity, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_fill(KEY, "token", replace=False)
    monkeypatch.setattr(fills, "fetch_stored", Mock(side_effect=CacheUnavailable("silent", refused=False)))
    assert read_entry(ENTITY, "project").source is Source.BYPASS


def test_several_misses_are_each_answered_as_redis_allows(
    project: Entity, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = ["absent", "found", "found_too", "loaded", "filled", "filled_later", "held"]
    payloads = {code: ENTITY.encode(ENTITY.build([make_entity(code)])) for code in codes[1:]}
    redis_client.delete(*map(ENTITY.key, codes))
    redis_client.set(absent_key(ENTITY.key("absent")), b"")
    redis_client.mset({ENTITY.key(code): payloads[code] for code in codes[1:3]})
    filling = codes[4:6]
    claim_fills([ENTITY.key(code) for code in filling], "token", replace=False)
    hold_keys([ENTITY.key("held")], "a writer")

    def fetch_when_one_more_is_filled(*asked: Any) -> Any:
        code = filling.pop(0)
        assert fill_entry(ENTITY.key(code), "token", payloads[code], 300)
        return fetch_stored(*asked)

    monkeypatch.setattr(fills, "fetch_stored", fetch_when_one_more_is_filled)
    found = read_missing(ENTITY, ENTITY.entries(*codes))
    sources = dict.fromkeys(codes, Source.REDIS) | {"loaded": Source.DATABASE, "held": Source.BYPASS}
    assert {code: one.source for code, one in found.items()} == sources
    assert {code: one.payload for code, one in found.items()} == payloads | {"absent": b""}


@pytest.mark.parametrize("part", ["rows", "encode"])
def test_a_loader_that_fails_gives_its_lease_back(project: Entity, redis_client: Redis, part: str) -> None:
    failing = replace(ENTITY, **{part: Mock(side_effect=RuntimeError("the database is gone"))})
    with pytest.raises(RuntimeError):
        read_entry(failing, "project")
    assert redis_client.exists(lease_key(KEY), KEY) == 0


def test_a_lapsed_hold_does_not_keep_readers_away(project: Entity, redis_client: Redis) -> None:
    redis_client.zadd(holds_key(KEY), {"a writer that died": 1})
    assert read_entry(ENTITY, "project").source is Source.DATABASE
    assert redis_client.exists(KEY) == 1


def test_a_document_cannot_be_changed_by_a_caller(project: Entity) -> None:
    document = read_entry(ENTITY, "project").document
    assert isinstance(document, EntityDocument)
    with pytest.raises(AttributeError):
        document.label = "mine"  # type: ignore[misc]
    assert isinstance(document.child_entity_codes, tuple)


SECOND = 1_000_000_000


def test_other_bytes_are_another_copy_and_leave_the_lease_of_the_old_one_alone() -> None:
    old = keep_copy(Copy("a key", "old", b"old"), monotonic_ns() - SECOND)
    assert old is not None
    until_ns = old.until_ns
    new = keep_copy(Copy("a key", "new", b"new"), monotonic_ns() + SECOND)
    assert find_copy("a key") is new
    assert (new and new.document, old.document, old.until_ns) == ("new", "old", until_ns)


def test_the_same_bytes_are_the_same_copy_whose_lease_is_never_shortened() -> None:
    asked_ns = monotonic_ns() + SECOND
    copy = keep_copy(Copy("a key", "document", b"bytes"), asked_ns)
    assert copy is not None
    until_ns = copy.until_ns
    assert keep_copy(Copy("a key", "equal", b"bytes"), asked_ns - SECOND) is copy
    assert (copy.until_ns, copy.document) == (until_ns, "document")
    keep_copy(Copy("a key", "equal", b"bytes"), asked_ns + SECOND)
    assert copy.until_ns == until_ns + SECOND


def test_a_copy_that_rests_may_be_used_until_its_rest_or_its_stamp_ends() -> None:
    assert look_at_copy("a key") is None
    keep_copy(Copy("another key", "document", b"bytes"), monotonic_ns() - SECOND)
    assert look_at_copy("another key") == (b"bytes", 0)
    note_stamps({"a stamp": b"a nonce"}, asked_ns=monotonic_ns() + 10 * SECOND)
    asked_ns = monotonic_ns()
    resting = Copy("a key", "document", b"ours", b"a later release's", stamp_key="a stamp", rest_ns=5 * SECOND)
    copy = keep_copy(resting, asked_ns)
    assert copy is not None
    payload, milliseconds = look_at_copy("a key") or (b"", 0)
    assert payload == b"a later release's"
    assert milliseconds in range(4_000, 5_000)
    assert (copy.is_due(copy.due_ns - 1), copy.is_due(copy.due_ns)) == (False, True)
    note_stamps({"a stamp": b"another"}, asked_ns=asked_ns)
    assert copy.is_due(copy.due_ns - 1)
    assert (look_at_copy("a key") or (b"", 1_000))[1] < 1_000


def test_a_copy_is_known_as_long_as_its_stamp_is_the_same() -> None:
    asked_ns = monotonic_ns()
    note_stamps({"a stamp": b"a nonce"}, asked_ns=asked_ns)
    copy = keep_copy(Copy("a key", "document", b"", b"bytes", "a stamp", 5 * SECOND), monotonic_ns())
    assert copy is not None
    assert not copy.is_known_since(asked_ns + SECOND)
    note_stamps({"a stamp": b"a nonce"}, asked_ns=asked_ns + 2 * SECOND)
    assert copy.is_known_since(asked_ns + SECOND)


def test_only_a_stamp_with_another_nonce_is_replaced() -> None:
    for nonce in (b"a nonce", b"another"):
        note_stamps({"the same": b"a nonce", "ever new": nonce}, asked_ns=monotonic_ns())
    nonces = {stamp.key: stamp.nonce for stamp in stamps_used_since(0)}
    assert nonces == {"the same": b"a nonce", "ever new": b"another"}


def test_no_more_copies_are_kept_than_the_setting_says(set_options: Callable[..., None]) -> None:
    set_options(local_entries=2)
    for number in range(3):
        keep_copy(Copy(f"key {number}", "document", b"bytes"), monotonic_ns() + SECOND)
    assert [find_copy(f"key {number}") is not None for number in range(3)] == [False, True, True]
