"""The list of entity types."""

import contextlib
import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from redis import Redis

from cache_layer.inspect import EntryState, Kind
from cache_layer.keys import holds_key, lease_key
from cache_layer.lookup import Entry
from cache_layer.protocol.scripts import Claim
from cache_layer.writing.writes import hold_entries
from entities.admin import EntityAdmin
from entities.admin.list.ordering import reorder_entities
from entities.admin.widgets import draw_icon
from entities.changes import ChangedMeanwhile, change_entity
from entities.lookups import ENTITY
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.admin.conftest import LIST, change_url, message_of, newest_message
from tests.cache_layer.project import claim_fill
from tests.conftest import make_entity, make_linked, make_types


def listed(response: HttpResponse) -> list[str]:
    """The codes in the list, in order."""
    return [entity.code for entity in response.context["cl"].result_list]  # type: ignore[attr-defined] # of the test client


def row(response: HttpResponse, column: str) -> str:
    """One cell of the only row, as HTML."""
    found = re.search(rf'<t[dh] class="field-{column} .*?</t[dh]>', response.content.decode(), re.DOTALL)
    assert found is not None
    return found.group()


def make_entities(number: int) -> None:
    make_types(number)
    Entity.objects.filter(code="type_0").update(child_entity_codes=[f"type_{each}" for each in range(number)])


def test_a_row_shows_the_drawn_icon_and_the_children_in_order_as_links(admin_client: Client) -> None:
    for code in ("wiki", "change_request"):
        make_entity(code, display_order=9)
    make_entity("project", icon="FolderKanban", child_entity_codes=["wiki", "change_request"])
    response = admin_client.get(f"{LIST}?q=project")
    name = row(response, "name")
    assert draw_icon("FolderKanban") in name
    assert "Project" in name
    links = re.findall(r'href="([^"]*)">([^<]*)<', row(response, "children"))
    assert links == [(change_url("wiki"), "wiki"), (change_url("change_request"), "change_request")]
    assert admin_client.get(links[1][0]).status_code == 200


def test_what_is_searched_and_filtered(admin_client: Client, subtests: pytest.Subtests) -> None:
    make_linked("task", project="task")
    make_entity("old", active_flag=False, label="Labour", label_plural="Chores")
    for query, found in [
        ("q=PROJ", ["project"]),
        ("q=labour", ["old"]),
        ("q=chores", ["old"]),
        ("q=x", []),
        ("active_flag__exact=0", ["old"]),
        ("active_flag__exact=1", ["project", "task"]),
        ("has_children=yes", ["project"]),
        ("has_children=no", ["old", "task"]),
        ("is_child=yes", ["task"]),
        ("is_child=no", ["old", "project"]),
        ("is_child=no&has_children=yes", ["project"]),
    ]:
        with subtests.test(query=query, found=found):
            assert sorted(listed(admin_client.get(f"{LIST}?{query}"))) == found


def places(*wanted: str) -> list[str]:
    """The codes of all entity types, or of these, in display order."""
    return [code for code in Entity.objects.values_list("code", flat=True) if not wanted or code in wanted]


def drag(client: Client, *codes: str, query: str = "", seen: list[str] | None = None) -> HttpResponse:
    """Save the list with its rows dragged into this order, from the one they have now or had when they were seen."""
    before = ",".join(places(*codes) if seen is None else seen)
    return client.post(f"{LIST}{query}", {"_order": codes, "_order_seen": before, "_save": "Save"})


def test_dragged_rows_take_each_others_places(admin_client: Client) -> None:
    for number, code in enumerate("abcd", start=1):
        make_entity(code, display_order=number * 10)
    assert "/undo/" in newest_message(drag(admin_client, "a", "d", "b", "c")).extra_tags
    assert list(Entity.objects.values_list("code", "display_order")) == [("a", 10), ("d", 20), ("b", 30), ("c", 40)]
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == ["b", "c", "d"]


def test_any_order_of_any_rows_comes_out_as_dragged(db: None, subtests: pytest.Subtests) -> None:
    for seed in range(20):
        Entity.objects.all().delete()
        with subtests.test(seed=seed):
            chance = random.Random(seed)
            Entity.objects.bulk_create(
                Entity(code=code, label="x", label_plural="x", icon="Flag", display_order=chance.randrange(-2, 4))
                for code in "abcdefgh"
            )
            before = places()
            shown = chance.sample(before, 5)
            places_of_shown = [number for number, code in enumerate(before) if code in shown]
            reorder_entities(shown, seen=places(*shown))
            after = places()
            assert [after[number] for number in places_of_shown] == shown
            assert [code for code in after if code not in shown] == [code for code in before if code not in shown]


@pytest.mark.parametrize("seen", [["a", "b", "c"], [""]], ids=["another order", "nothing"])
def test_an_order_that_somebody_else_has_changed_meanwhile_is_not_overwritten(
    admin_client: Client, seen: list[str]
) -> None:
    for number, code in enumerate("acb", start=1):
        make_entity(code, display_order=number)
    kind, text = message_of(drag(admin_client, "b", "a", "c", seen=seen))
    assert (kind, "yours was not saved." in text) == ("error", True)
    assert places() == ["a", "c", "b"]


def test_what_was_deleted_or_added_meanwhile_does_not_hinder_an_order_and_the_same_writes_nothing(
    admin_client: Client,
) -> None:
    for number, code in enumerate("axb", start=1):
        make_entity(code, display_order=number)
    assert message_of(drag(admin_client, "b", "gone", "a", seen=["a", "gone", "b"]))[0] == "success"
    assert places() == ["b", "x", "a"]
    before = list(Entity.objects.values())
    assert message_of(drag(admin_client, "b", "x")) == ("info", "The order is as it was.")
    assert list(Entity.objects.values()) == before


def test_of_two_who_reorder_at_once_one_is_told(committed_db: None) -> None:
    make_entities(3)
    shown = places()

    def turn(_: int) -> bool:
        with contextlib.closing(connection), contextlib.suppress(ChangedMeanwhile):
            reorder_entities(shown[::-1], seen=shown)
            return True
        return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(turn, range(4))) == [False, False, False, True]


def test_those_who_may_only_look_can_neither_drag_nor_switch(viewer: Client) -> None:
    make_entity("a", display_order=1)
    make_entity("b", display_order=2)
    assert drag(viewer, "b", "a").status_code == 403
    assert places() == ["a", "b"]
    page = viewer.get(LIST).content.decode()
    assert "data-may-reorder" not in page
    assert page.count(" disabled><span></span></button>") == 2, "their switches"


def test_rows_can_be_dragged_where_the_list_is_in_display_order(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    monkeypatch.setattr(EntityAdmin, "list_per_page", 2)
    make_entities(3)
    for query, may in (("", True), ("?q=a", True), ("?p=2", True), ("?o=1", False)):
        page = admin_client.get(f"{LIST}{query}").content.decode()
        with subtests.test(query):
            assert ("data-may-reorder" in page) is may
            assert ("Rows can be moved in display order only" in page) is not may


def state(code: str) -> EntryState:
    return EntryState.of(ENTITY, [code])[code]


def test_the_cache_state_is_what_a_reader_would_find(committed_db: None, redis_client: Redis) -> None:
    make_entity("project")
    ENTITY.entries_of_rows("project").invalidate()
    key = ENTITY.key("project")
    assert state("project") == EntryState(Kind.NOT_CACHED)
    with transaction.atomic():
        hold_entries([Entry(ENTITY, "project")], using="default")
        assert state("project") == EntryState(Kind.BEING_WRITTEN)
    ENTITY.entries_of_rows("project").invalidate()
    assert claim_fill(key, "token", replace=False)[0] is Claim.LEASE
    assert state("project") == EntryState(Kind.BEING_FILLED)
    redis_client.delete(lease_key(key))
    get_entity_infrastructure().get_entity("project")
    cached = state("project")
    assert (cached.kind, cached.payload_bytes) == (Kind.CACHED, redis_client.strlen(key))
    assert cached.ttl_seconds is not None
    assert 290 < cached.ttl_seconds <= 300
    get_entity_infrastructure().get_entity("nobody")
    assert state("nobody") == EntryState(Kind.KNOWN_ABSENT)


def test_a_hold_that_has_lapsed_is_none_and_keys_of_other_types_are_not_cached(redis_client: Redis) -> None:
    redis_client.zadd(holds_key(ENTITY.key("project")), {"a writer that died": 1})
    assert state("project") == EntryState(Kind.NOT_CACHED)
    redis_client.rpush(ENTITY.key("project"), "x")
    redis_client.set(holds_key(ENTITY.key("project")), "x")
    assert state("project") == EntryState(Kind.NOT_CACHED)


def test_the_row_shows_the_cache_state_with_the_seconds_left(committed_db: None, admin_client: Client) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    cell = row(admin_client.get(LIST), "cache")
    assert re.search(r'data-kind="cached".*cached <data data-seconds-left value="\d+">(300|29.) s</data>', cell)
    ENTITY.entries_of_rows("project").invalidate()
    assert ">not cached </span>" in row(admin_client.get(LIST), "cache")


def test_without_redis_the_list_says_so_once(redis_down: None, admin_client: Client) -> None:
    make_entities(3)
    page = admin_client.get(LIST).content.decode()
    assert page.count(">unknown </span>") == 3
    assert page.count("Redis does not answer") == 1


def cache_states(client: Client, *codes: str) -> HttpResponse:
    return client.post(f"{LIST}cache-states/", {"_order": codes})


def test_the_states_are_given_as_cells_for_the_list_and_never_kept(committed_db: None, admin_client: Client) -> None:
    make_entity("project")
    ENTITY.entries_of_rows("project").invalidate()
    response = cache_states(admin_client, "project", "nobody", "No code")
    cells = re.findall(r'id="cache-(\w+)" data-hx-swap-oob="true" .*?>([^<]*) </span>', response.content.decode())
    assert cells == [("project", "not cached"), ("nobody", "not cached")]
    assert "no-store" in response["Cache-Control"]


def activate(client: Client, code: str) -> HttpResponse:
    return client.post(f"{LIST}activate/", {"code": code})


def test_activating_saves_at_once_and_notes_who_did_it(committed_db: None, admin_client: Client) -> None:
    make_entity("project", active_flag=False)
    assert 'aria-checked="false"' in row(admin_client.get(LIST), "active")
    assert get_entity_infrastructure().get_entity("project") is None
    assert 'aria-checked="true"' in activate(admin_client, "project").content.decode()
    activate(admin_client, "project")
    assert get_entity_infrastructure().get_entity("project") is not None
    assert LogEntry.objects.filter(object_id="project").count() == 1


def test_what_is_gone_cannot_be_activated(admin_client: Client) -> None:
    assert activate(admin_client, "nobody").status_code == 404


def test_the_last_change_says_when_by_whom_and_from_where(committed_db: None, admin_client: Client) -> None:
    make_entity("project")
    assert "by postgres, in SQL" in row(admin_client.get(LIST), "changed")
    change_entity("project", {"active_flag": False})
    activate(admin_client, "project")
    cell = row(admin_client.get(LIST), "changed")
    assert "by root, in the admin" in cell
    assert ">now<" in cell or "second" in cell
    assert re.search(r'title="\d\d \w+ \d{4}, \d\d:\d\d:\d\d UTC"', cell)


@pytest.mark.parametrize(("number", "shown", "more"), [(6, 6, None), (7, 5, "+2"), (40, 5, "+35")])
def test_of_many_children_the_first_are_shown_and_the_others_open(
    admin_client: Client, number: int, shown: int, more: str | None
) -> None:
    codes = [f"child_{each:02}" for each in range(number)]
    for code in codes:
        make_entity(code)
    make_entity("project", child_entity_codes=codes)
    cell = row(admin_client.get(f"{LIST}?q=project"), "children")
    assert re.findall(r">(child_\d\d)<", cell) == codes
    at_once, _, behind = cell.partition("<details>")
    assert at_once.count("child_") == 2 * shown
    assert (f">{more}<" in behind) if more else not behind


def test_dragging_the_largest_numbers_counts_all_anew(admin_client: Client) -> None:
    for code in ("task", "wiki"):
        make_entity(code, display_order=2**31 - 1)
    make_entity("project", display_order=5)
    reorder_entities(["wiki", "task"], seen=["task", "wiki"])
    assert list(Entity.objects.values_list("code", flat=True)) == ["project", "wiki", "task"]


@pytest.mark.parametrize("address", [f"{LIST}?code__in=%00", f"{LIST}%00/change/"])
def test_what_the_database_cannot_take_is_a_bad_request(admin_client: Client, address: str) -> None:
    answer = admin_client.get(address)
    assert answer.status_code == 400
    assert "can't take what was sent" in answer.content.decode()
