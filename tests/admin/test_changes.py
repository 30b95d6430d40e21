"""The page of all changes, and the admin's first page."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from entities.admin.changes import feed
from entities.admin.changes.feed import Act
from entities.changes import change_entity, purge_entity
from entities.history import all_events
from entities.models import Entity
from pmo.people.provenance import running_command
from tests.admin.conftest import ADD, LIST, change_url, delete_url, fields, remove, staff_client
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity, make_linked, sql

CHANGES, HOME = reverse("admin:entities_entity_changes"), reverse("admin:index")


@pytest.fixture(autouse=True)
def _types(committed_db: None) -> None:
    """One act: a task and a wiki, added by a command."""
    with running_command("seed_entities"):
        make_linked("task", "wiki")


def acts(response: HttpResponse) -> list[Act]:
    assert response.status_code == 200
    found: list[Act] = response.context["acts"]  # type: ignore[attr-defined] # of the test client
    return found


def told(response: HttpResponse) -> list[tuple[str, str, str]]:
    """Of each act its title, from where it was made and by whom."""
    return [(act.title, act.version.origin, act.version.who) for act in acts(response)]


def test_what_was_done_at_once_is_one_act_with_who_did_it_and_from_where(admin_client: Client) -> None:
    client_of(make_user("ann", "change")).patch("/api/v1/entity/task", {"label": "Job"})
    sql("UPDATE app.entity SET display_order = display_order + 1")
    remove(admin_client, "delete", "wiki")
    deleted, by_sql, api, command = told(admin_client.get(CHANGES))
    assert deleted == ("Deleted", "Admin", "root")
    assert by_sql[:2] == ("2 changed", "SQL")
    assert api == ("Changed", "API", "ann")
    assert command[:2] == ("2 added", "Command")


def test_a_deleted_type_is_restored_from_there(admin_client: Client) -> None:
    remove(admin_client, "delete", "wiki")
    page = admin_client.get(CHANGES, {"what": "delete"}).content.decode()
    url = re.search(r'href="([^"]*/wiki/history/\d+/restore/)"', page)
    assert url is not None
    admin_client.post(url[1], {"seen": ""})
    assert Entity.objects.filter(code="wiki").exists()
    assert told(admin_client.get(CHANGES))[0] == ("Restored", "Admin", "root")
    assert "/restore/" not in admin_client.get(CHANGES, {"what": "delete"}).content.decode()


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        ({"person": "ROO", "what": "update"}, ["Changed"]),
        ({"person": "postgres"}, ["Deleted"]),
        ({"source": "command"}, ["2 added"]),
        ({"source": "sql"}, ["Deleted"]),
        ({"source": "api"}, []),
        ({"type": "job"}, ["Changed"]),
        ({"type": "task"}, ["Changed", "Added"]),
        ({"what": "update"}, ["Changed"]),
        ({"what": "import"}, []),
        ({"since": "hour", "what": "insert"}, ["2 added"]),
        ({"until": "2001-01-01"}, []),
        ({"source": "sql", "type": "wiki", "what": "delete", "person": ""}, ["Deleted"]),
    ],
)
def test_changes_are_filtered(admin_client: Client, asked: dict[str, str], titles: list[str]) -> None:
    admin_client.post(change_url("task"), fields(Entity.objects.get(code="task"), label="Job"))
    sql("DELETE FROM app.entity WHERE code = 'wiki'")
    assert [title for title, _, _ in told(admin_client.get(CHANGES, asked))] == titles


@pytest.mark.parametrize("asked", [{"since": "ever"}, {"until": "x"}, {"older_than": "-1"}, {"type": "a\0"}])
def test_a_filter_that_is_none_is_said_to_be_wrong(admin_client: Client, asked: dict[str, str]) -> None:
    response = admin_client.get(CHANGES, asked)
    assert response.status_code == 400
    assert response.context["acts"]


@pytest.mark.parametrize("window", [1_000, 7])
def test_pages_show_every_change_once(admin_client: Client, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(feed, "WINDOW", window)
    monkeypatch.setattr("entities.admin.changes.page.ACTS_PER_PAGE", 2)
    for number in range(5):
        with running_command("a test"):
            change_entity("task", {"label": f"Task {number}"})
            change_entity("wiki", {"label": f"Wiki {number}"})
    seen: list[int] = []
    url = CHANGES
    for _ in range(20):
        response = admin_client.get(url)
        seen += [id_ for act in acts(response) for id_ in act.ids]
        if not (older := re.search(r'href="(\?[^"]+)">Older', response.content.decode())):
            break
        url = f"{CHANGES}{older[1]}"
    assert seen == list(all_events().order_by("-pgh_id").values_list("pgh_id", flat=True))


def test_acts_at_the_same_time_are_each_shown_whole(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their versions stand between each other in the history."""
    monkeypatch.setattr("entities.admin.changes.page.ACTS_PER_PAGE", 1)
    with running_command("one"):
        change_entity("task", {"label": "One"})
        in_another_session("UPDATE app.entity SET label = 'Two' WHERE code = 'wiki'")
        change_entity("task", {"label": "Three"})
    first = acts(admin_client.get(CHANGES))
    assert [len(act.ids) for act in first] == [2, 1]


def in_another_session(statement: str) -> None:
    with connection.copy().cursor() as cursor:
        cursor.execute(statement)
        cursor.connection.close()


def test_the_first_page_says_how_many_what_needs_attention_and_what_changed_last(admin_client: Client) -> None:
    make_entity("old", active_flag=False)
    make_entity("project", child_entity_codes=["old"])
    sql("UPDATE app.entity SET icon = 'Nope' WHERE code = 'task'")
    response = admin_client.get(HOME)
    counts = re.findall(r'class="entity-count"[^>]*><b>(.*?)</a>', response.content.decode())
    assert counts == ["4</b> entity types", "3</b> active", "1</b> inactive", "1</b> link"]
    concerns = {concern.says: [each.code for each in concern.entities] for concern in response.context["concerns"]}
    assert list(concerns) == [
        "Inactive, and still listed by others",
        "With an icon that Lucide does not have",
        "Neither parent nor child of another",
    ]
    assert concerns["Inactive, and still listed by others"] == ["old"]
    assert f'entity-chip is-inactive" href="{change_url("old")}"' in response.content.decode()
    assert response.context["acts"][0].title == "Changed"
    assert f'href="{ADD}"' in response.content.decode()
    purge_entity("project")
    assert "Inactive, and still" not in admin_client.get(HOME).content.decode()


def test_who_may_see_nothing_is_told_whom_to_ask() -> None:
    page = staff_client(make_user("nobody", is_staff=True)).get(HOME).content.decode()
    assert "You may not see anything here yet." in page
    assert "Latest changes" not in page
    viewer = staff_client(make_user("viewer", "view", is_staff=True)).get(HOME).content.decode()
    assert "Latest changes" in viewer
    assert ADD not in viewer


def ship_groups() -> None:
    """As the migration does; tests before this one may have deleted what it made."""
    module: Any = MigrationLoader(connection).get_migration("pmo", "0004_groups")
    (operation,) = module.operations
    with connection.schema_editor() as editor:
        operation.code(MigrationLoader(connection).project_state(("pmo", "0004_groups")).apps, editor)


def test_three_groups_are_shipped_once_and_given_by_a_tick(admin_client: Client) -> None:
    Group.objects.all().delete()
    ship_groups()
    reader, editor, _operator = groups = list(Group.objects.order_by("pk"))
    allowed = [sorted(group.permissions.values_list("codename", flat=True)) for group in groups]
    assert [len(each) for each in allowed] == [1, 4, 3]
    editor.permissions.clear()
    ship_groups()
    assert not editor.permissions.exists()

    page = admin_client.get(reverse("admin:auth_user_add")).content.decode()
    assert "reader: sees entity types, their history and the map" in page
    secret = "correct horse battery"
    sent = {"username": "ada", "usable_password": "true", "password1": secret, "password2": secret}
    admin_client.post(reverse("admin:auth_user_add"), sent | {"groups": [str(reader.pk)], "is_staff": "on"})
    client = Client()
    client.post(reverse("admin:login"), {"username": "ada", "password": secret})
    assert client.get(CHANGES).status_code == 200
    reader.permissions.remove(Permission.objects.get(codename="view_entity"))
    assert client.get(CHANGES).status_code == 403


def test_each_page_says_where_it_is(admin_client: Client) -> None:
    undo = acts(admin_client.get(CHANGES))[0].version.undo_url
    where = {CHANGES: "Changes", f"{LIST}import/": "Import entity types", f"{LIST}export/": "Export entity types"}
    for address, title in (where | {undo: "Undo this change", delete_url("wiki"): "Delete Wiki?"}).items():
        page = admin_client.get(address).content.decode()
        assert re.findall(r"tracking-tight\">([^<]*)</", page) == ["Entity types", title]
