"""The history of an entity type: who changed what from where, any two versions beside each other, and the way back."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from entities.admin import EntityAdmin
from entities.admin.history.differences import field_name, moved_codes
from entities.admin.history.versions import History
from entities.changes import change_entity
from entities.fields import SETTABLE
from entities.models import Entity
from pmo.people.provenance import running_command
from tests.admin.conftest import before_the_next, change_url, delete_url, fields, message_of, staff_client, text_of
from tests.api.conftest import client_of, make_user
from tests.commands.conftest import run
from tests.conftest import make_entity, make_linked, sql


def history_url(code: str) -> str:
    return reverse("admin:entities_entity_history", args=[quote(code)])


def compare_url(code: str, old: object, new: object) -> str:
    return f"{reverse('admin:entities_entity_compare', args=[quote(code)])}?old={old}&new={new}"


def restore_url(code: str, version_id: int) -> str:
    return reverse("admin:entities_entity_restore", args=[quote(code), version_id])


def ids_of(code: str) -> list[int]:
    """The versions, oldest first."""
    return History(code).ids[::-1]


def version_of(code: str, number: int) -> int:
    return ids_of(code)[number - 1]


def page_of(response: HttpResponse) -> str:
    assert response.status_code == 200
    return text_of(response.content.decode())


def versions_of(client: Client, code: str, **query: Any) -> list[Any]:
    """The versions on a page of the history, newest first."""
    response = client.get(history_url(code), query)
    assert response.status_code == 200
    return [version for version in response.context["versions"] if hasattr(version, "changes")]


def changes_of(version: Any) -> dict[str, str]:
    """The fields that a version changed: `old → new`, or what happened to the children."""
    return {
        change.name: text_of(change.summary) if change.summary else f"{text_of(change.old)} → {text_of(change.new)}"
        for change in version.changes
    }


def restore(client: Client, code: str, number: int, **sent: str) -> HttpResponse:
    """Open the confirmation and send it, as a browser does."""
    url = restore_url(code, version_of(code, number))
    confirmation = client.get(url)
    assert confirmation.status_code == 200
    return client.post(url, {"seen": confirmation.context["seen"], "confirmed": "yes"} | sent)


@pytest.fixture
def project(db: None) -> Entity:
    """A project with two versions: `Project`, then `Client project`, which also got another icon and a task."""
    make_entity("task")
    project = make_entity("project")
    change_entity("project", {"label": "Client project", "icon": "Rocket", "child_entity_codes": ["task"]})
    return project


# --- Who, and from where


def test_every_version_says_who_made_it_and_from_where(committed_db: None, admin_client: Client) -> None:
    make_entity("wiki")
    project = make_entity("project")
    admin_client.post(change_url("project"), fields(project, label="By admin"))
    editor = client_of(make_user("editor", "change"))
    assert editor.put("/api/v1/entity/project/children", {"child_entity_codes": ["wiki"]}).status_code == 200
    with running_command("seed_entities"):
        run("seed_entities", "--overwrite")
    sql("SET application_name = 'psql'")
    sql("UPDATE app.entity SET display_order = 999 WHERE code = 'project'")

    versions = versions_of(admin_client, "project")[:5]
    assert [version.origin for version in versions] == ["SQL", "Command", "API", "Admin", "SQL"]
    assert [version.noted.get("command", "") for version in versions] == ["", "seed_entities", "", "", ""]
    assert [version.who for version in versions][0::2] == ["postgres (psql)", "editor", "postgres"]
    assert versions[3].who == "root"
    page = page_of(admin_client.get(history_url("project")))
    assert "SQL postgres (psql)" in page
    assert versions[3].session == "postgres", "also where somebody was named"
    assert "API editor" in page
    assert "Command seed_entities" in page


def test_provenance_that_others_made_up_breaks_nothing(admin_client: Client) -> None:
    make_entity("project")
    for context in ("[1]", '{"source": ["admin"]}', '{"username": null}', "7"):
        sql("SELECT set_config('pghistory.context_metadata', %s, true)", context)
        sql("UPDATE app.entity SET display_order = display_order + 1 WHERE code = 'project'")
        sql("SELECT set_config('pghistory.context_metadata', '', true)")
    assert [version.origin for version in versions_of(admin_client, "project")] == [*["Other"] * 4, "SQL"]


# --- What changed


def test_each_version_shows_only_what_it_changed(project: Entity, admin_client: Client) -> None:
    change_entity("project", {"active_flag": False, "display_order": 7})
    newest, changed, added = versions_of(admin_client, "project")
    assert changes_of(newest) == {"Active": "yes → no", "Display order": "20 → 7"}
    assert changes_of(changed) == {
        "Label": "Project → Client project",
        "Icon": "FolderKanban → Rocket",
        "Children": "+ added task",
    }
    assert added.what == "Added"
    assert list(changes_of(added)) == [field_name(name) for name in SETTABLE]


def test_children_are_shown_as_added_removed_and_moved(admin_client: Client) -> None:
    make_linked("a", "b", "c", "d", project="a b c")
    change_entity("project", {"child_entity_codes": ["c", "a", "d"]})
    assert changes_of(versions_of(admin_client, "project")[0]) == {
        "Children": "+ added d − removed b ↕ moved c from place 3 to 1"  # noqa: RUF001
    }


def test_as_few_children_as_possible_count_as_moved(subtests: pytest.Subtests) -> None:
    for old, new, moved in [
        ("abcd", "abcd", ""),
        ("abcd", "bcda", "a"),
        ("abcd", "dabc", "d"),
        ("abc", "xaybz", ""),
        ("abcdef", "bcafde", "af"),
        ("abcd", "bd", ""),
        ("abc", "cba", "bc"),
    ]:
        with subtests.test(old=old, new=new, moved=moved):
            assert sorted(moved_codes(list(old), list(new))) == sorted(moved)


def test_a_change_of_the_creation_time_in_sql_is_shown(admin_client: Client) -> None:
    make_entity("project")
    Entity.objects.filter(code="project").update(created_ts=timezone.now().replace(year=2001))
    assert list(changes_of(versions_of(admin_client, "project")[0])) == ["Created"]


# --- Many versions


def test_many_versions_come_in_pages_which_cost_as_many_queries_as_two_and_keep_what_is_chosen(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queries(code: str, **query: Any) -> int:
        with CaptureQueriesContext(connection) as captured:
            versions_of(admin_client, code, **query)
        return len(captured)

    monkeypatch.setattr("entities.admin.history.page.VERSIONS_PER_PAGE", 5)
    make_entity("few")
    change_entity("few", {"display_order": 1})
    make_entity("many", display_order=0)
    for order in range(1, 20):
        change_entity("many", {"display_order": order})
    queries("few")
    assert queries("many") == queries("many", p=3) == queries("few")
    versions = versions_of(admin_client, "many", p=2)
    assert [version.number for version in versions] == [15, 14, 13, 12, 11]
    assert changes_of(versions[-1]) == {"Display order": "9 → 10"}
    assert versions_of(admin_client, "many", p="999")[-1].number == 1
    assert versions_of(admin_client, "many", p="no page")[0].number == 20
    chosen = {"old": version_of("many", 1), "new": version_of("many", 20)}
    html = admin_client.get(history_url("many"), chosen | {"p": "2"}).content.decode()
    for name, id_ in chosen.items():
        assert re.search(rf'<input type="radio" name="{name}" value="{id_}".* checked>', html)
    assert (html.count("Chosen on another page"), html.count(" checked>")) == (2, 2)


# --- Any two


def test_any_two_versions_are_compared_field_by_field_and_as_documents(project: Entity, admin_client: Client) -> None:
    change_entity("project", {"label": "Project", "display_order": 3})
    first, second, third = ids_of("project")
    response = admin_client.get(compare_url("project", first, third))
    page = page_of(response)
    differing = [each.name for each in response.context["differences"] if each.differs]
    assert differing == ["Icon", "Children", "Display order", "Modified"]
    assert page.count("≠ differs") == 4
    assert "Versions 1 and 3 of project" in page
    lines = [f"{sign} {text.strip()}" for mark, sign, text in response.context["lines"] if mark]
    assert '− "icon": "FolderKanban",' in lines  # noqa: RUF001
    assert '+ "icon": "Rocket",' in lines
    assert '+ "task"' in lines
    assert not any('"label":' in line for line in lines)
    response = admin_client.get(compare_url("project", third, second))
    assert [side.number for side in response.context["sides"]] == [2, 3], "the older one is on the left"
    differing = [each.name for each in response.context["differences"] if each.differs]
    assert differing == ["Label", "Display order", "Modified"]
    same = admin_client.get(compare_url("project", first, first)).context["lines"]
    assert len(same) == len(Entity._meta.fields) + 1
    assert not any(mark for mark, _, _ in same)


def test_versions_that_do_not_exist_are_not_found(
    project: Entity, admin_client: Client, subtests: pytest.Subtests
) -> None:
    known, anothers = version_of("project", 1), version_of("task", 1)
    for wrong in ["", "0", "-1", "abc", "99999999", "9" * 18, "9" * 5000, "1e3", "²", "%00", anothers]:
        with subtests.test(wrong=wrong):
            assert admin_client.get(compare_url("project", known, wrong)).status_code == 404
            assert admin_client.get(compare_url("project", wrong, known)).status_code == 404
    for wrong in (anothers, 2**40):
        assert admin_client.get(restore_url("project", wrong)).status_code == 404
        assert admin_client.post(restore_url("project", wrong), {"seen": ""}).status_code == 404


# --- Restore


def test_restoring_asks_first_and_then_sets_back_every_field(
    project: Entity, superuser: User, admin_client: Client
) -> None:
    confirmation = admin_client.get(restore_url("project", version_of("project", 1)))
    assert [each.name for each in confirmation.context["differences"] if each.differs] == ["Label", "Icon", "Children"]
    assert "3 fields will change" in page_of(confirmation)
    assert len(ids_of("project")) == 2, "asking must change nothing"

    response = restore(admin_client, "project", 1)
    assert response.status_code == 302
    assert response.url == history_url("project")  # type: ignore[attr-defined] # a redirect
    level, text = message_of(response)
    assert level == "success"
    assert re.fullmatch(r"Project was restored to version 1 of .+: Label, Icon, Children\.", text)

    restored = Entity.objects.get(code="project")
    assert (restored.label, restored.icon, restored.child_entity_codes) == ("Project", "FolderKanban", [])
    assert restored.created_ts == project.created_ts
    newest = versions_of(admin_client, "project")[0]
    assert (newest.number, newest.who, newest.origin) == (3, "root", "Admin")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.action_flag) == (superuser, "project", CHANGE)
    assert entry.get_change_message() == "Restored version 1: Label, Icon, Children."


def test_the_creation_time_stays_though_the_version_had_another(project: Entity, admin_client: Client) -> None:
    Entity.objects.filter(code="project").update(created_ts=timezone.now().replace(year=2001))
    restore(admin_client, "project", 1)
    restored = Entity.objects.get(code="project")
    assert (restored.label, restored.created_ts.year) == ("Project", 2001)


def test_what_is_as_in_the_version_already_is_left_alone(project: Entity, admin_client: Client) -> None:
    assert "there is nothing to restore" in page_of(admin_client.get(restore_url("project", version_of("project", 2))))
    level, text = message_of(restore(admin_client, "project", 2))
    assert (level, text.endswith("nothing was changed.")) == ("info", True)
    assert len(ids_of("project")) == 2
    assert not LogEntry.objects.exists()


def test_a_deleted_type_keeps_its_history_and_comes_back_from_it(
    project: Entity, superuser: User, admin_client: Client
) -> None:
    admin_client.post(delete_url("project"), {"confirmed": "yes", "way": "delete"})
    LogEntry.objects.all().delete()
    deleted_ts = timezone.now()
    assert "This entity type was deleted." in page_of(admin_client.get(history_url("project")))
    deleted, *_ = versions_of(admin_client, "project")
    assert (deleted.what, deleted.who, deleted.changes) == ("Deleted", "root", [])
    assert (
        admin_client.get(compare_url("project", version_of("project", 1), version_of("project", 3))).status_code == 200
    )

    assert "It will be added again" in page_of(admin_client.get(restore_url("project", version_of("project", 2))))
    level, text = message_of(restore(admin_client, "project", 2))
    assert level == "success"
    assert text.startswith("Client project was restored to version 2 of ")
    restored = Entity.objects.get(code="project")
    assert (restored.label, restored.child_entity_codes) == ("Client project", ["task"])
    assert restored.created_ts == project.created_ts
    assert restored.modified_ts > deleted_ts
    newest = versions_of(admin_client, "project")[0]
    assert (newest.number, newest.what, newest.who) == (4, "Restored", "root")
    assert len(changes_of(newest)) == len(SETTABLE), "all of it is new"
    assert LogEntry.objects.get().action_flag == ADDITION


def test_the_deletion_itself_can_be_restored_as_the_state_before_it(project: Entity, admin_client: Client) -> None:
    Entity.objects.filter(code="project").delete()
    restore(admin_client, "project", 3)
    assert Entity.objects.get(code="project").label == "Client project"


def test_a_restore_that_cannot_be_logged_is_undone(
    project: Entity, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError

    monkeypatch.setattr(EntityAdmin, "log_change", fail)
    with pytest.raises(OSError):  # noqa: PT011 - ours
        restore(admin_client, "project", 1)
    assert Entity.objects.get(code="project").label == "Client project"


def test_a_child_that_is_gone_is_named_and_nothing_changes(project: Entity, admin_client: Client) -> None:
    change_entity("project", {"child_entity_codes": [], "label": "Alone"})
    Entity.objects.filter(code="task").delete()
    for ask in (admin_client.get, admin_client.post):
        url = restore_url("project", version_of("project", 2))
        seen = admin_client.get(url).context["seen"]
        response = ask(url, {"seen": seen, "confirmed": "yes"})
        assert "Children deleted since can't be listed again: task." in page_of(response)
        form = response.content.decode().split('<form method="post" class="history-bar">')[1].split("</form>")[0]
        assert "submit" not in form
    assert Entity.objects.get(code="project").label == "Alone"
    assert len(ids_of("project")) == 3
    assert not LogEntry.objects.exists()


# --- Somebody else was quicker


def test_a_change_since_the_confirmation_shows_it_again_with_the_new_difference(
    project: Entity, admin_client: Client
) -> None:
    url = restore_url("project", version_of("project", 1))
    seen = admin_client.get(url).context["seen"]
    change_entity("project", {"label_plural": "Other"})
    response = admin_client.post(url, {"seen": seen}, follow=True)
    assert "Nothing was restored: somebody changed this entity type" in page_of(response)
    assert "Label plural" in [each.name for each in response.context["differences"] if each.differs]
    assert Entity.objects.get(code="project").label_plural == "Other"
    assert not LogEntry.objects.exists()
    for sent in ({"seen": ""}, {}):
        assert "Nothing was restored" in page_of(admin_client.post(url, sent, follow=True))
    admin_client.post(url, {"seen": response.context["seen"]})
    assert Entity.objects.get(code="project").label_plural == "Projects"


def test_a_type_deleted_since_the_confirmation_is_not_added_unasked(project: Entity, admin_client: Client) -> None:
    url = restore_url("project", version_of("project", 1))
    seen = admin_client.get(url).context["seen"]
    Entity.objects.filter(code="project").delete()
    response = admin_client.post(url, {"seen": seen}, follow=True)
    assert "It will be added again" in page_of(response)
    assert not Entity.objects.filter(code="project").exists()


LAST_MOMENT: list[tuple[str, Callable[[], object]]] = [
    ("changed", lambda: change_entity("project", {"label_plural": "Other"})),
    ("deleted", lambda: Entity.objects.filter(code="project").delete()),
    ("without a child", lambda: Entity.objects.filter(code="task").delete()),
]


@pytest.mark.parametrize("change", [change for _, change in LAST_MOMENT], ids=[name for name, _ in LAST_MOMENT])
def test_one_changed_between_the_check_and_the_lock_is_not_overwritten(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]
) -> None:
    make_entity("task")
    make_entity("project", label="First", child_entity_codes=["task"])
    change_entity("project", {"label": "Second", "child_entity_codes": []})
    newest = ids_of("project")
    url = restore_url("project", newest[-2])
    seen = admin_client.get(url).context["seen"]
    before_the_next(monkeypatch, "select_for_update", change, owner=QuerySet)
    response = admin_client.post(url, {"seen": seen}, follow=True)
    assert "Nothing was restored" in page_of(response)
    assert not Entity.objects.filter(code="project", label="First").exists()
    assert not LogEntry.objects.exists()


# --- Permissions


def test_those_who_may_only_look_see_everything_and_restore_nothing(project: Entity, viewer: Client) -> None:
    old, new = ids_of("project")
    for url in (history_url("project"), compare_url("project", old, new)):
        response = viewer.get(url)
        assert response.status_code == 200
        assert "restore" not in response.content.decode().split('id="content"')[1].lower()
    assert viewer.post(restore_url("project", old), {"seen": ""}).status_code == 403


@pytest.mark.parametrize(("permission", "existing", "deleted"), [("change", 302, 403), ("add", 403, 302)])
def test_bringing_back_a_deleted_type_takes_the_permission_to_add(
    project: Entity, permission: str, existing: int, deleted: int
) -> None:
    client = staff_client(make_user("someone", "view", permission, is_staff=True))
    url = restore_url("project", version_of("project", 1))
    now = Entity.objects.get(code="project").modified_ts.isoformat()
    assert client.post(url, {"seen": now}).status_code == existing
    Entity.objects.filter(code="project").delete()
    html = client.get(history_url("project")).content.decode()
    assert (url in html) == (deleted == 302)
    assert client.post(url, {"seen": ""}).status_code == deleted
    assert Entity.objects.filter(code="project").exists() == (deleted == 302)
