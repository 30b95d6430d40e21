"""Deleting entity types: what others list as a child stays, and people are told why."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.http import HttpResponse
from django.test import Client

from cache_layer import Source
from entities.admin.removal.page import Removal
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.admin.conftest import (
    LIST,
    act,
    before_the_next,
    change_url,
    delete_url,
    message_of,
    newest_message,
    remove,
    staff_client,
)
from tests.api.conftest import make_user
from tests.conftest import make_entity


@pytest.fixture
def listed(db: None) -> None:
    """A task that project and office list, in that order."""
    make_entity("task")
    make_entity("project", child_entity_codes=["task"], display_order=1)
    make_entity("office", child_entity_codes=["task"], display_order=2)


def assert_names_the_parents(response: HttpResponse) -> None:
    assert response.status_code == 200
    *_, part = response.context["question"].parts
    assert "as a child: " in part.says
    assert "can't be deleted before" in part.says
    assert [parent.code for parent in part.entities] == ["project", "office"]
    page = response.content.decode()
    assert all(f'href="{change_url(code)}"' in page for code in ("project", "office"))
    assert Entity.objects.filter(code="task").exists()
    assert not LogEntry.objects.filter(action_flag=DELETION).exists()


def delete(client: Client, code: str, way: str = "delete") -> HttpResponse:
    """Answer the page that asks."""
    return client.post(delete_url(code), {"confirmed": "yes", "way": way})


def codes() -> list[str]:
    return list(Entity.objects.order_by("code").values_list("code", flat=True))


def test_a_listed_type_is_kept_and_its_parents_named(listed: None, admin_client: Client) -> None:
    make_entity("wiki")
    assert_names_the_parents(admin_client.get(delete_url("task")))
    assert_names_the_parents(delete(admin_client, "task"))
    assert_names_the_parents(act(admin_client, "delete_selected", "wiki", "task"))
    assert_names_the_parents(remove(admin_client, "delete", "wiki", "task"))
    assert "wiki" in codes()


def test_a_type_that_nobody_lists_is_deleted(listed: None, admin_client: Client) -> None:
    assert "Delete Project?" in admin_client.get(delete_url("project")).content.decode()
    assert delete(admin_client, "project").status_code == 302
    assert codes() == ["office", "task"]


def test_a_type_that_lists_itself_alone_is_deleted(admin_client: Client) -> None:
    make_entity("folder", child_entity_codes=["folder"])
    delete(admin_client, "folder")
    assert codes() == []


def test_hundreds_are_deleted_though_first_and_last_list_each_other(admin_client: Client) -> None:
    Entity.objects.bulk_create(
        Entity(code=f"type_{number:03}", label="Type", label_plural="Types", icon="Flag") for number in range(250)
    )
    Entity.objects.filter(code="type_249").update(child_entity_codes=["type_000"])
    Entity.objects.filter(code="type_000").update(child_entity_codes=["type_249"])
    assert message_of(remove(admin_client, "delete", *codes())) == ("success", "250 entity types: deleted.")
    assert codes() == []


def list_wiki() -> None:
    Entity.objects.filter(code="project").update(child_entity_codes=["wiki"])


def test_selected_ones_of_which_one_became_a_child_at_the_last_moment_are_kept(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("project", "wiki", "form"):
        make_entity(code)
    before_the_next(monkeypatch, "_go", list_wiki, owner=Removal)
    response = remove(admin_client, "delete", "form", "wiki")
    assert "1 entity type lists some of them as a child" in response.content.decode()
    assert not LogEntry.objects.filter(action_flag=DELETION).exists()
    assert codes() == ["form", "project", "wiki"]


def test_what_was_deleted_is_not_read_any_more(committed_db: None, admin_client: Client) -> None:
    make_entity("project")
    service = get_entity_infrastructure()
    assert service.read_entity("project").source is Source.REDIS
    assert [each.code for each in service.get_all_entity()] == ["project"]
    remove(admin_client, "delete", "project")
    assert service.get_entity("project") is None
    assert service.get_all_entity() == ()


def children_of(code: str) -> list[str]:
    return list(Entity.objects.get(code=code).child_entity_codes)


def test_a_listed_type_is_taken_out_of_all_lists_and_deleted_and_one_click_undoes_it(
    committed_db: None, listed: None, admin_client: Client
) -> None:
    make_entity("wiki")
    response = delete(admin_client, "task", "detach_delete")
    assert message_of(response) == ("success", "Task: deleted, and taken out of all lists that had it.")
    assert (codes(), children_of("project")) == (["office", "project", "wiki"], [])
    Entity.objects.filter(code="project").update(child_entity_codes=["wiki"])  # meanwhile
    undone = admin_client.post(newest_message(response).extra_tags)
    assert message_of(undone)[1] == "Undone: 3 entity types are as before."
    assert (children_of("project"), children_of("office")) == (["task", "wiki"], ["task"])


def test_deactivating_instead_leaves_the_lists(listed: None, admin_client: Client) -> None:
    delete(admin_client, "task", "deactivate")
    assert not Entity.objects.get(code="task").active_flag
    assert children_of("project") == ["task"]


@pytest.mark.parametrize("ways", [("delete",), ("delete", "change")])
def test_taking_out_of_lists_takes_the_permission_to_change(listed: None, db: None, ways: tuple[str, ...]) -> None:
    client = staff_client(make_user("some", "view", *ways, is_staff=True))
    delete(client, "task", "detach_delete")
    assert ("task" in codes()) is ("change" not in ways)


@pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_afterwards(listed: None, admin_client: Client, elsewhere: str) -> None:
    sent = {"confirmed": "yes", "way": "delete", "next": elsewhere}
    assert admin_client.post(delete_url("office"), sent).headers["Location"] == LIST
