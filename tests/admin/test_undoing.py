"""Undoing what was done at once: all of it that can be, and nothing that somebody has done since."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from entities.admin.history.reversals import merge_children
from entities.admin.history.undoing import events_of
from entities.changes import change_entity, create_entity, purge_entity
from entities.history import all_events
from entities.models import Entity
from pmo.people.provenance import running_command
from tests.admin.conftest import before_the_next, change_url, fields, import_rows, message_of, newest_message, remove
from tests.admin.conftest import staff_client as client_of
from tests.api.conftest import make_user
from tests.conftest import make_linked, sql, without_triggers


@pytest.fixture(autouse=True)
def types(committed_db: None) -> None:
    """A project with a wiki and a task, and a note beside them."""
    make_linked("wiki", "task", "note", project="wiki task")


def newest(code: str) -> Any:
    return all_events().filter(pgh_obj_id=code).order_by("-pgh_id").first()


def undo(client: Client, code: str, **sent: str) -> HttpResponse:
    """Undo what made the newest version of this type."""
    return client.post(newest(code).undo_url, sent)


def of(code: str, *names: str) -> list[Any]:
    return list(Entity.objects.values_list(*names).get(code=code))


def test_the_message_after_a_save_undoes_it_and_its_undoing_too(admin_client: Client) -> None:
    project = Entity.objects.get(code="project")
    saved = admin_client.post(change_url("project"), fields(project, label="Venture"))
    undone = admin_client.post(newest_message(saved).extra_tags)
    assert message_of(undone) == ("success", "Undone: 1 entity type is as before.")
    assert of("project", "label") == ["Project"]
    assert newest("project").pgh_context["act"] == "undo"
    admin_client.post(newest_message(undone).extra_tags)
    assert of("project", "label") == ["Venture"]


def test_a_save_that_changed_nothing_offers_no_undoing(admin_client: Client) -> None:
    project = Entity.objects.get(code="project")
    assert newest_message(admin_client.post(change_url("project"), fields(project))).extra_tags == ""
    assert of("project", "modified_ts") == [project.modified_ts], "nothing was written"


def test_what_somebody_changed_since_is_said_first_and_stays(admin_client: Client) -> None:
    change_entity("project", {"label": "Venture", "icon": "Rocket", "child_entity_codes": ["task"]})
    event = newest("project")
    change_entity("project", {"label": "Enterprise", "child_entity_codes": ["note", "task"]})
    asked = admin_client.post(event.undo_url)
    assert asked.status_code == 200
    assert "Changed again since: Label." in asked.content.decode()
    assert of("project", "icon") == ["Rocket"]
    admin_client.post(event.undo_url, {"confirmed": "yes"})
    assert of("project", "label", "icon", "child_entity_codes") == [
        "Enterprise", "FolderKanban", ["wiki", "note", "task"],
    ]  # fmt: skip


def test_an_import_is_undone_as_a_whole_and_is_called_one(admin_client: Client) -> None:
    rows = [
        {"code": "risk", "label": "Risk", "icon": "Flag", "child_entity_codes": ["hazard"]},
        {"code": "hazard", "label": "Hazard", "icon": "Flag"},
        {"code": "project", "label": "Venture", "child_entity_codes": ["wiki", "risk"]},
        {"code": "note", "label": "Memo"},
    ]
    response = import_rows(admin_client, *rows)
    assert newest("risk").pgh_context | {"user": 0} == {
        "source": "admin", "user": 0, "username": "root", "act": "import", "file": "types.json",
    }  # fmt: skip
    change_entity("note", {"icon": "Rocket"})
    assert message_of(admin_client.post(newest_message(response).extra_tags)) == (
        "success",
        "Undone: 4 entity types are as before.",
    )
    assert not Entity.objects.filter(code__in=["risk", "hazard"]).exists()
    assert of("project", "label", "child_entity_codes") == ["Project", ["wiki", "task"]]
    assert of("note", "label", "icon") == ["Note", "Rocket"]


def test_one_row_of_an_import_is_undone_alone(admin_client: Client) -> None:
    import_rows(admin_client, {"code": "note", "label": "Memo"}, {"code": "task", "label": "Job"})
    admin_client.post(f"{newest('note').undo_url}?alone=1")
    assert (of("note", "label"), of("task", "label")) == (["Note"], ["Job"])


def test_types_that_list_each_other_come_back_together_as_old_as_they_were(admin_client: Client) -> None:
    change_entity("task", {"child_entity_codes": ["project", "task"]})
    created = of("project", "created_ts")
    response = remove(admin_client, "delete", "project", "task", "wiki")
    admin_client.post(newest_message(response).extra_tags)
    assert of("project", "child_entity_codes") == [["wiki", "task"]]
    assert of("task", "child_entity_codes") == [["project", "task"]]
    assert of("project", "created_ts") == created


def list_it() -> None:
    change_entity("note", {"child_entity_codes": ["risk"]})


STAYS: dict[str, tuple[Callable[[], object], Callable[[], object], str, str]] = {
    "listed since": (lambda: make("risk"), list_it, "risk", "It is listed since by note."),
    "changed since": (
        lambda: make("risk"),
        lambda: change_entity("risk", {"label": "Peril"}),
        "risk",
        "It was changed since: Label.",
    ),
    "deleted since": (
        lambda: change_entity("note", {"label": "Memo"}),
        lambda: purge_entity("note"),
        "note",
        "It was deleted since.",
    ),
    "there again": (lambda: purge_entity("note"), lambda: make("note"), "note", "It is there again already."),
    "a child is gone": (
        lambda: change_entity("project", {"child_entity_codes": ["task"]}),
        lambda: purge_entity("wiki"),
        "project",
        "Children deleted since can&#x27;t be listed again: wiki.",
    ),
}


def make(code: str) -> None:
    create_entity({"code": code, "label": code, "label_plural": code, "icon": "Flag"})


@pytest.mark.parametrize("case", STAYS)
def test_what_stands_in_the_way_is_said_and_stays(admin_client: Client, case: str) -> None:
    act, later, code, says = STAYS[case]
    with running_command("a test"):
        act()
    event = newest(code)
    later()
    before = list(Entity.objects.values())
    page = admin_client.post(event.undo_url)
    assert says in page.content.decode()
    admin_client.post(event.undo_url, {"confirmed": "yes"})
    assert list(Entity.objects.values()) == before


def test_what_would_be_refused_today_is_not_set_again(admin_client: Client) -> None:
    sql("UPDATE app.entity SET icon = 'Nope' WHERE code = 'note'")
    change_entity("note", {"icon": "Rocket", "label": "Memo"})
    assert "Nope is not a Lucide icon." in undo(admin_client, "note").content.decode()
    undo(admin_client, "note", confirmed="yes")
    assert of("note", "icon", "label") == ["Rocket", "Note"]


def test_one_transaction_in_sql_is_one_act(admin_client: Client) -> None:
    sql("UPDATE app.entity SET active_flag = false")
    assert message_of(undo(admin_client, "note"))[1] == "Undone: 4 entity types are as before."
    assert Entity.objects.filter(active_flag=True).count() == 4


def test_what_is_added_at_the_last_moment_is_not_overwritten(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge_entity("note")
    before_the_next(monkeypatch, "_insert", lambda: make("note"), owner=QuerySet)
    page = admin_client.get(undo(admin_client, "note").url)  # type: ignore[attr-defined] # a redirect
    assert "Nothing was undone: somebody changed" in page.content.decode()
    assert "It is there again already." in page.content.decode()
    assert of("note", "label") == ["note"]


@pytest.mark.parametrize(("permission", "status"), [("view", 403), ("change", 403), ("delete", 302)])
def test_undoing_takes_the_permission_for_what_it_does(permission: str, status: int) -> None:
    make("risk")
    client = client_of(make_user("some", "view", permission, is_staff=True))
    response = undo(client, "risk")
    assert response.status_code == status
    assert status == 302 or "You may not undo this." in response.content.decode()
    assert client.get(newest("note").undo_url).status_code == 200


def test_the_first_known_version_is_nobodys_act(admin_client: Client) -> None:
    without_triggers("UPDATE app.entity_event SET pgh_label = 'first' WHERE code = 'note'")
    assert undo(admin_client, "note").status_code == 404


def test_looking_at_a_large_act_takes_no_more_queries(admin_client: Client) -> None:
    def queries(number: int) -> int:
        response = import_rows(
            admin_client, *({"code": f"t{number}_{each}", "label": "x", "icon": "Flag"} for each in range(number))
        )
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(newest_message(response).extra_tags).status_code == 200
        return len(captured)

    queries(1)
    assert queries(40) == queries(2)


def test_the_versions_of_an_act_are_found_by_an_index(admin_client: Client) -> None:
    admin_client.post(change_url("project"), fields(Entity.objects.get(code="project"), label="Venture"))
    sql("UPDATE app.entity SET label = 'Job' WHERE code = 'task'")
    sql("SET enable_seqscan = off")  # of so few it would read all
    for code in ("project", "task"):
        with CaptureQueriesContext(connection) as captured:
            assert len(events_of(newest(code))) == 1
        assert "entity_event_act" in str(sql(f"EXPLAIN {captured[-1]['sql'].partition(' ORDER BY ')[0]}"))


CODES = st.lists(st.sampled_from("abcdef"), unique=True)


@given(before=CODES, after=CODES, added=st.lists(st.sampled_from("xyz"), unique=True), data=st.data())
def test_of_lists_of_children_what_was_added_since_stays_and_what_was_removed_comes_back(
    before: list[str], after: list[str], added: list[str], data: st.DataObject
) -> None:
    now = data.draw(st.permutations([*after, *added]))
    merged = merge_children(before, after, now)
    assert sorted(merged) == sorted({*before, *added})
    if now == after:
        assert merged == before
