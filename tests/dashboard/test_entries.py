"""The list of entries, page by page, and one entry compared with the database."""

import json
import re
from collections.abc import Callable

import pytest
from django.test import Client
from redis import Redis

from cache_layer.activity import note_invalidated, note_stored
from cache_layer.counting.reporting import report_activity
from cache_layer.inspect import entry
from cache_layer.protocol.scripts import hold_keys
from entities.dashboard.entries import Filter, list_entries, read_one
from entities.dashboard.peek import Verdict, peek
from entities.models import CacheOperation
from entities.services import get_entity_infrastructure
from tests.admin.conftest import staff_client
from tests.conftest import empty_redis, make_entity, make_linked, make_types
from tests.dashboard.conftest import DASHBOARD, ENTRIES, KEY, OPERATE, count_reads, entry_url, staff_with


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "GRACE_SECONDS", 0)


def listed(client: Client, **query: object) -> list[str]:
    response = client.get(ENTRIES, query)
    assert response.status_code == 200
    return [entry.row.code for entry in response.context["page"]]


def test_entries_come_in_the_databases_order_a_page_at_a_time(viewer: Client) -> None:
    make_types(60)
    assert listed(viewer) == [f"type_{number}" for number in range(50)]
    assert listed(viewer, page=2) == [f"type_{number}" for number in range(50, 60)]


def test_search_finds_codes_and_labels(viewer: Client) -> None:
    make_entity("project", label="Venture")
    make_entity("task", label="Project step")
    make_entity("wiki")
    assert sorted(listed(viewer, q="PROJ")) == ["project", "task"]
    assert listed(viewer, q="vent") == ["project"]


def test_a_search_that_finds_nothing_links_to_the_other_pages_alone(viewer: Client) -> None:
    page = viewer.get(ENTRIES, {"q": "nothing"}).content.decode()
    assert re.findall(r'class="entity-link" href="([^"]+)"', page) == [DASHBOARD, "/admin/entities/cacheoperation/"]


def test_entries_can_be_filtered_by_state(viewer: Client, redis_client: Redis) -> None:
    make_linked("kept", "gone", "busy")
    empty_redis(redis_client)
    get_entity_infrastructure().get_entity("kept")
    hold_keys(["entity:metadata:busy"], "somebody")
    assert listed(viewer, state="cached") == ["kept"]
    assert listed(viewer, state="not_cached") == ["gone"]
    assert listed(viewer, state="being_written") == ["busy"]


def test_a_row_shows_time_left_size_hits_and_the_last_invalidation(viewer: Client, redis_client: Redis) -> None:
    make_entity("project")
    redis_client.set(KEY, "x" * 99, ex=240)
    note_invalidated([KEY], "api")
    report_activity()
    note_stored([KEY])
    count_reads(local=5)
    report_activity()
    (entry,) = viewer.get(ENTRIES).context["page"]
    shown = (entry.state.ttl_seconds, entry.size, entry.hits_today, entry.hits_since_stored, entry.age, entry.cause)
    assert shown == (240, "99 bytes", "5", "5", "1 min", "API")


def test_a_query_that_makes_no_sense_shows_the_beginning(viewer: Client, subtests: pytest.Subtests) -> None:
    make_entity("project")
    for query in [{"page": "x"}, {"state": "odd"}, {"q": "x" * 101}, {"q": "a\x00"}]:
        with subtests.test(query=query):
            page = viewer.get(ENTRIES, query).content.decode()
            assert "There is no such page: this is the first one." in page


def test_without_redis_entries_are_listed_and_it_says_so(viewer: Client, redis_down: None) -> None:
    make_entity("project")
    page = viewer.get(ENTRIES).content.decode()
    assert "Redis does not answer" in page
    assert entry_url("project") in page
    assert "Redis does not answer" in viewer.get(ENTRIES, {"state": "cached"}).content.decode()
    page = viewer.get(entry_url("project")).content.decode()
    for said in ("Redis does not answer", "X-Cache: BYPASS", "unknown: it does not answer"):
        assert said in page
    assert (read_one("project").hits_today, list_entries("", Filter.ALL, 1)[0][0].hits_today) == ("-", "-")


def test_equal_bytes_are_shown_as_the_same(committed_db: None) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    looked = peek("project")
    assert (looked.verdict, looked.raw) == (Verdict.SAME, "")
    assert [line for line in looked.lines if line.differs] == []


def test_differences_are_marked_by_field(viewer: Client, redis_client: Redis) -> None:
    make_entity("project", label="Old")
    get_entity_infrastructure().get_entity("project")
    payload = redis_client.get(KEY)
    redis_client.set(KEY, payload.replace(b'"Old"', b'"Other"'))
    looked = peek("project")
    assert looked.verdict is Verdict.DIFFERS
    assert [(line.name, line.cached, line.committed) for line in looked.lines if line.differs] == [
        ("label", '"Other"', '"Old"')
    ]
    page = viewer.get(entry_url("project")).content.decode()
    assert "The bytes in Redis differ" in page
    assert page.count(">differs</b>") == 2, "the field, and Redis as a whole"


@pytest.mark.parametrize(
    "written",
    [lambda own: own[:-1] + b',"remark":"By a later one"}', lambda own: own[: own.index(b',"modified_ts"')] + b"}"],
    ids=["later", "earlier"],
)
def test_a_correct_value_of_another_release_is_named_and_marks_nothing(
    viewer: Client, redis_client: Redis, written: Callable[[bytes], bytes]
) -> None:
    make_entity("project", label="Right")
    own = redis_client.get(KEY)
    redis_client.set(KEY, written(own))
    assert peek("project").verdict is Verdict.OTHER_RELEASE
    page = viewer.get(entry_url("project")).content.decode()
    assert "Another release wrote the bytes in Redis" in page
    assert ">differs</b>" not in page
    redis_client.set(KEY, written(own.replace(b"Right", b"Wrong")))
    looked = peek("project")
    assert looked.verdict is Verdict.DIFFERS
    assert "label" in [line.name for line in looked.lines if line.differs]


@pytest.mark.parametrize(
    "payload", [b"\xff\xfe", b"[]", b"{", b'{"code":1}', b"[" * 100_000, b"\x28\xb5\x2f\xfd as if compressed"]
)
def test_bytes_that_are_no_document_are_shown_as_unreadable(
    viewer: Client, redis_client: Redis, payload: bytes
) -> None:
    make_entity("project")
    redis_client.set(KEY, payload)
    looked = peek("project")
    assert looked.verdict is Verdict.NOT_READABLE
    assert looked.why
    assert viewer.get(entry_url("project")).status_code == 200


@pytest.mark.parametrize(
    "payload",
    [
        rb'{"label":"\ud800"}',
        rb'{"\ud800":"label"}',
        json.dumps(dict.fromkeys(map(str, range(100_000)), "x")).encode(),
        json.dumps({"x" * 1_000_000: "x"}).encode(),
    ],
    ids=["half a letter", "in a name", "many fields", "a long name"],
)
def test_hostile_fields_make_a_page_of_the_usual_length(viewer: Client, redis_client: Redis, payload: bytes) -> None:
    make_entity("project")
    redis_client.set(KEY, payload)
    page = viewer.get(entry_url("project"))
    assert page.status_code == 200
    assert len(page.content) < 100_000


def test_a_key_of_another_type_is_shown_as_unreadable(viewer: Client, redis_client: Redis) -> None:
    make_entity("project")
    redis_client.delete(KEY)
    redis_client.lpush(KEY, "x")
    looked = peek("project")
    assert (looked.verdict, "WRONGTYPE" in looked.why) == (Verdict.NOT_READABLE, True)
    assert viewer.get(entry_url("project")).status_code == 200


def test_an_entry_that_is_not_cached_shows_only_the_database(committed_db: None, redis_client: Redis) -> None:
    make_entity("project")
    redis_client.delete(KEY)
    looked = peek("project")
    assert looked.verdict is Verdict.NOT_CACHED
    assert {line.cached for line in looked.lines} == {""}
    assert [line for line in looked.lines if line.differs] == []


def test_a_code_unknown_to_the_database_is_reported(viewer: Client, redis_client: Redis) -> None:
    page = viewer.get(entry_url("nowhere")).content.decode()
    assert "The database has no active entity type with this code" in page
    redis_client.set("entity:metadata:nowhere", '{"code":"nowhere"}')
    assert peek("nowhere").verdict is Verdict.DIFFERS


def test_a_change_in_progress_is_no_difference(
    committed_db: None, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    payload = redis_client.get(KEY)
    redis_client.set(KEY, payload.replace(b"Project", b"Earlier"))
    monkeypatch.setattr(entry.time, "sleep", lambda _: redis_client.set(KEY, payload))
    assert peek("project").verdict is Verdict.SAME


def test_a_compressed_value_is_shown_in_full_with_both_sizes(
    viewer: Client, redis_client: Redis, set_options: Callable[..., None]
) -> None:
    set_options(compress_bytes=100)
    make_entity("project", label="long " * 20)
    looked = peek("project")
    assert looked.verdict is Verdict.SAME
    assert redis_client.strlen(KEY) < len(looked.cached)
    sizes = f"{redis_client.strlen(KEY)} bytes in Redis, {len(looked.cached)} bytes in full"
    assert f"The value is compressed: {sizes}" in viewer.get(entry_url("project")).content.decode()


@pytest.mark.parametrize("url", [DASHBOARD, ENTRIES, entry_url("project")])
def test_viewers_see_no_buttons(viewer: Client, operator: Client, url: str) -> None:
    make_entity("project")
    assert OPERATE not in viewer.get(url).content.decode()
    assert OPERATE in operator.get(url).content.decode()


def test_a_get_does_nothing(operator: Client) -> None:
    assert operator.get(OPERATE, {"operation": "clear", "on": "everything"}).status_code == 405
    assert not CacheOperation.objects.exists()


def test_the_menu_has_the_cache_for_those_who_may_look(viewer: Client) -> None:
    assert DASHBOARD in viewer.get("/admin/").content.decode()
    assert DASHBOARD not in staff_client(staff_with("nobody", "view_entity")).get("/admin/").content.decode()
