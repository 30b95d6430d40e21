"""The list of entity types."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cache_layer import writes
from entities.models import Entity
from entities.widgets import draw_icon
from tests.admin.conftest import LIST, change_url
from tests.conftest import make_entity


def listed(response: HttpResponse) -> list[str]:
    """The codes in the list, in order."""
    return [entity.code for entity in response.context["cl"].result_list]  # type: ignore[attr-defined] # of the test client


def row(response: HttpResponse, column: str) -> str:
    """One cell of the only row, as HTML."""
    found = re.search(rf'<t[dh] class="field-{column} .*?</t[dh]>', response.content.decode(), re.DOTALL)
    assert found is not None
    return found.group()


def make_entities(number: int) -> None:
    Entity.objects.bulk_create(
        Entity(code=f"type_{each}", label=f"Type {each}", label_plural="Types", icon="Flag", display_order=each)
        for each in range(number)
    )
    Entity.objects.filter(code="type_0").update(child_entity_codes=[f"type_{each}" for each in range(number)])


@pytest.mark.parametrize("query", ["", "?q=type", "?has_children=yes", "?is_child=yes"])
def test_the_number_of_queries_does_not_grow_with_the_rows(admin_client: Client, query: str) -> None:
    def queries(extra: str = "") -> int:
        with CaptureQueriesContext(connection) as captured:
            response = admin_client.get(f"{LIST}{query}{extra}")
        assert response.status_code == 200
        return len(captured)

    make_entities(5)
    admin_client.get(LIST)  # the first request of a process may ask for more, for example content types
    few = queries()
    Entity.objects.all().delete()
    make_entities(200)
    separator = "&" if query else "?"
    assert queries(f"{separator}all=") == few


def test_all_200_rows_were_really_shown(admin_client: Client) -> None:
    make_entities(200)
    assert len(listed(admin_client.get(f"{LIST}?all="))) == 200


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


def test_labels_cannot_smuggle_in_markup(admin_client: Client) -> None:
    make_entity("project", label="<script>alert(1)</script>")
    page = admin_client.get(LIST).content.decode()
    assert "<script>alert(1)" not in page
    assert html.escape("<script>alert(1)</script>") in page


@pytest.mark.parametrize(
    ("words", "found"), [("PROJ", ["project"]), ("labour", ["task"]), ("chores", ["task"]), ("x", [])]
)
def test_search_looks_at_codes_labels_and_plurals(admin_client: Client, words: str, found: list[str]) -> None:
    make_entity("project", label="Venture")
    make_entity("task", label="Labour", label_plural="Chores")
    assert listed(admin_client.get(LIST, {"q": words})) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("active_flag__exact=0", ["old"]),
        ("active_flag__exact=1", ["project", "task"]),
        ("has_children=yes", ["project"]),
        ("has_children=no", ["old", "task"]),
        ("is_child=yes", ["task"]),
        ("is_child=no", ["old", "project"]),
        ("is_child=no&has_children=yes", ["project"]),
    ],
)
def test_filters(admin_client: Client, query: str, found: list[str]) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    make_entity("old", active_flag=False)
    assert sorted(listed(admin_client.get(f"{LIST}?{query}"))) == found


def test_rows_come_in_display_order(admin_client: Client) -> None:
    for code, order in (("project", 2), ("task", 1), ("wiki", 2)):
        make_entity(code, display_order=order)
    assert listed(admin_client.get(LIST)) == ["task", "project", "wiki"]


def reorder(client: Client, **orders: int) -> HttpResponse:
    """Save the list with these display orders."""
    rows = listed(client.get(LIST))
    sent: dict[str, object] = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "Save"}
    for number, code in enumerate(rows):
        sent |= {f"form-{number}-code": code, f"form-{number}-display_order": orders[code]}
    return client.post(LIST, sent)


def test_the_display_order_is_edited_in_the_list(admin_client: Client) -> None:
    make_entity("project", display_order=1)
    task = make_entity("task", display_order=2, child_entity_codes=["project"])
    assert reorder(admin_client, project=30, task=2).status_code == 302
    assert list(Entity.objects.values_list("code", "display_order")) == [("task", 2), ("project", 30)]
    task.refresh_from_db()
    assert task.child_entity_codes == ["project"]


def test_rows_whose_order_stays_are_not_written(admin_client: Client) -> None:
    make_entity("project", display_order=1)
    before = make_entity("task", display_order=2).modified_ts
    reorder(admin_client, project=3, task=2)
    assert Entity.objects.get(code="task").modified_ts == before
    assert Entity.objects.get(code="project").modified_ts > before


def test_reordering_keeps_what_others_changed_since_the_rows_were_read(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project", display_order=1)

    def change_label_first(self: Entity, **options: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE app.entity SET label = 'Venture' WHERE code = 'project'")
        save(self, **options)

    save = Entity.save
    monkeypatch.setattr(Entity, "save", change_label_first)
    reorder(admin_client, project=5)
    row = Entity.objects.get()
    assert (row.label, row.display_order) == ("Venture", 5)


def test_however_many_rows_are_reordered_there_is_one_wait(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entities(20)
    waits: list[None] = []
    monkeypatch.setattr(writes, "drain", lambda: waits.append(None))
    reorder(admin_client, **{f"type_{number}": 100 - number for number in range(20)})
    assert Entity.objects.get(code="type_19").display_order == 81
    assert len(waits) == 1


def test_those_who_may_only_look_cannot_reorder(viewer: Client) -> None:
    make_entity("project", display_order=1)
    assert reorder(viewer, project=5).status_code == 403
    assert Entity.objects.get().display_order == 1
