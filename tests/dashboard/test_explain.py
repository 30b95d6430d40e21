"""One page explains an entry: who has what of it, what happened to it, what comes next; and looking changes nothing."""

import json
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from redis import Redis

from cache_layer.activity import _forget, count_local_hit, note_invalidated, note_stored, recent_reads
from cache_layer.counting.probes import Respondent, digest_of, process_name
from cache_layer.inspect import EntryView
from cache_layer.keys import analytics_key
from cache_layer.memory.local_store import _copies, drop_all_copies, look_at_copy
from cache_layer.protocol.scripts import hold_keys
from entities.changes import change_entity
from entities.dashboard.entries import read_one
from entities.dashboard.explain import Holder, describe_engines, foresee, look_at_memories, what_happened
from entities.dashboard.peek import peek
from entities.lookups import ENTITY
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.conftest import make_entity, sql
from tests.dashboard.conftest import KEY, entry_url, operate

MEMORIES = reverse("cache:memories", args=["project"])


def look_at_engines() -> tuple[Holder, Holder, set[str]]:
    looked = peek("project")
    postgresql, redis = describe_engines("project", looked, read_one("project").state)
    return postgresql, redis, looked.right_digests


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    _forget()
    yield
    _forget()


def test_looking_fills_renews_and_counts_nothing(viewer: Client, redis_client: Redis) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    redis_client.delete(KEY)
    copies = {key: (copy, copy.until_ns, copy.used_ns) for key, copy in _copies.items() if key == KEY}
    reads = recent_reads(KEY)
    page = viewer.get(entry_url("project"))
    assert page.status_code == 200
    assert redis_client.exists(KEY) == 0
    assert {key: (copy, copy.until_ns, copy.used_ns) for key, copy in _copies.items() if key == KEY} == copies
    assert recent_reads(KEY) == reads
    drop_all_copies()
    assert viewer.get(entry_url("project")).status_code == 200
    assert look_at_copy(KEY) is None


@pytest.mark.django_db(transaction=True)
def test_who_has_another_document_is_marked_and_what_is_not_known_is_called_so(redis_client: Redis) -> None:
    make_entity("project")
    document = ENTITY.encode(get_entity_infrastructure().get_entity("project"))  # type: ignore[arg-type] # there is one
    postgresql, redis, right = look_at_engines()
    assert (postgresql.digest, redis.digest, redis.differs) == (digest_of(document), digest_of(document), False)
    assert right == {digest_of(document)}
    redis_client.set(KEY, document.replace(b"Project", b"Projekt"))
    assert look_at_engines()[1].differs
    mark = EntryView(ENTITY, "project").ask_processes()
    redis_client.hset(
        analytics_key(f"answers:{mark}"),
        mapping={
            "web-2, process 7": json.dumps([["other", 200, 30], {"L1": [5, 100]}, [[100, "invalidated", "sql"]]]),
            "web-3, process 8": json.dumps([None, {}, []]),
            "hostile": b'{"\xff',
            "too": json.dumps([1, 2, 3]),
        },
    )
    redis_client.zadd(analytics_key("processes"), {"web-4, process 9": 9_000_000_000, process_name(): 9_000_000_000})
    _, *others = look_at_memories("project", mark, right)
    assert [(each.name, each.differs) for each in others] == [
        ("web-2, process 7", True),
        ("web-3, process 8", False),
        ("web-4, process 9", False),
    ]
    assert others[0].events == ("00:01:40 invalidated (SQL)",)
    assert others[0].reads == "5 from memory, last 00:01:40"
    assert others[2].has == "unknown: it has not answered"


@pytest.mark.django_db(transaction=True)
def test_a_right_document_of_a_later_release_differs_nowhere(redis_client: Redis) -> None:
    make_entity("project")
    own = redis_client.get(KEY)
    later = own[:-1] + b',"remark":"By a later one"}'
    redis_client.set(KEY, later)
    drop_all_copies()
    get_entity_infrastructure().get_entity("project")
    postgresql, redis, right = look_at_engines()
    assert redis.has.endswith("written by another release")
    assert (redis.differs, right) == (False, {digest_of(own), digest_of(later)})
    (here,) = look_at_memories("project", "", right)
    assert (here.digest, here.differs) == (digest_of(later), False), "as the later release names it too"
    redis_client.set(KEY, later.replace(b"Project", b"Projekt"))
    postgresql, redis, right = look_at_engines()
    assert (redis.differs, right) == (True, {postgresql.digest})


def test_a_process_answers_each_question_once_with_what_it_has(redis_client: Redis) -> None:
    note_stored([KEY])
    note_invalidated([KEY], "api")
    count_local_hit(KEY)
    respondent = Respondent()
    respondent.reply()
    mark = EntryView(ENTITY, "project").ask_processes()
    respondent.reply()
    respondent.reply()
    (answer,), silent = EntryView.read_memories(mark)
    assert (answer.process, silent) == (process_name(), [])
    assert [what for _, what, _ in answer.events] == ["invalidated", "stored"]
    assert answer.reads["L1"][0] == 1
    redis_client.delete(analytics_key(f"answers:{mark}"))
    respondent.reply()
    assert EntryView.read_memories(mark) == ([], [process_name()])


@pytest.mark.django_db(transaction=True)
def test_the_next_read_is_foreseen_and_comes_from_there(redis_client: Redis) -> None:
    make_entity("project")
    make_entity("idle", active_flag=False)
    drop_all_copies()
    redis_client.delete(KEY)

    def read_after_all(expected: str) -> None:
        assert foresee("project", read_one("project").state, is_active=True).source == expected
        before = recent_reads(KEY)
        get_entity_infrastructure().get_entity("project")
        after = recent_reads(KEY)
        assert [source for source, (number, _) in after.items() if number > before.get(source, (0, 0))[0]] == [expected]

    read_after_all("DB")
    drop_all_copies()
    read_after_all("L2")
    redis_client.delete(KEY)
    drop_all_copies()
    hold_keys([KEY], "somebody")
    read_after_all("BYPASS")
    assert {foresee(code, read_one(code).state, is_active=False).source for code in ("idle", "gone")} == {"-"}


def test_what_happened_says_who_and_from_where_and_of_sql_that_it_was(operator: Client) -> None:
    make_entity("project")
    change_entity("project", {"label": "Venture"})
    operate(operator, "invalidate", "project", reason="a rehearsal")
    operate(operator, "invalidate", "projects")
    sql("UPDATE app.entity SET label = 'By SQL' WHERE code = 'project'")
    happened = what_happened("project")
    assert re.fullmatch(r"\w+(?: \(.+\))?, in SQL", happened[0].who)
    assert [each.who for each in happened if "Invalidate" in each.what] == ["olga, in the admin (a rehearsal)"]
    page = operator.get(entry_url("project")).content.decode()
    assert "a rehearsal" in page
    assert Entity.objects.count() == 1


def test_only_questions_of_ours_are_answered(viewer: Client) -> None:
    make_entity("project")
    assert viewer.get(MEMORIES, {"mark": EntryView(ENTITY, "project").ask_processes()}).status_code == 200
    for mark in ("", "x", "a" * 31 + "*", "é" * 32):
        assert viewer.get(MEMORIES, {"mark": mark}).status_code == 400
