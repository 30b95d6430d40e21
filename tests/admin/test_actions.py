"""
The list's actions: what they do, what they say, and to whom they are open.

Of types that are deleted, what others list as a child stays, and people are told why.
"""

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client
from redis import Redis

from entities.admin.confirmation import Question
from entities.admin.removal.page import Removal
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure
from tests.admin.conftest import (
    LIST,
    act,
    before_the_next,
    change_url,
    delete_url,
    fields,
    message_of,
    newest_message,
    remove,
    staff_client,
    submit,
)
from tests.api.conftest import make_user
from tests.conftest import make_entity, make_linked, make_types
from tests.dashboard.conftest import logged

CACHE_ACTIONS = ["warm_cache", "invalidate_cache"]
ACTIONS = ["activate", "deactivate", *CACHE_ACTIONS]


def do(client: Client, action: str, *codes: str, **more: str) -> HttpResponse:
    """Run an action of the list and confirm it."""
    return act(client, action, *codes, confirmed="yes", **more)


def asked(client: Client, action: str, *codes: str) -> Question:
    """What the page asks before the action."""
    response = act(client, action, *codes)
    assert response.status_code == 200
    question: Question = response.context["question"]
    return question


def said(question: Question) -> list[tuple[str, list[str]]]:
    """Its sentences, with the codes below each."""
    return [(part.says, sorted(entity.code for entity in part.entities)) for part in question.parts]


@pytest.fixture
def types(committed_db: None) -> None:
    """Two active entity types and an inactive one."""
    make_linked("project", "task")
    make_entity("old", active_flag=False)


@pytest.fixture
def task_cached(types: None) -> None:
    """Of the types only `task` is cached."""
    ENTITY.entries_of_rows("project", "task", "old").invalidate()
    get_entity_infrastructure().get_entity("task")


def active() -> list[str]:
    return list(Entity.objects.filter(active_flag=True).order_by("code").values_list("code", flat=True))


def test_deactivating_hides_types_from_readers_at_once_and_activating_shows_them_again(
    types: None, admin_client: Client
) -> None:
    service = get_entity_infrastructure()
    assert len(service.get_all_entity()) == 2
    response = remove(admin_client, "deactivate", "project", "task", "old")
    assert message_of(response) == ("success", "2 entity types: deactivated.")
    assert (service.get_entity("project"), service.get_all_entity()) == (None, ())
    assert message_of(do(admin_client, "activate", "old")) == ("success", "Activated 1 entity type.")
    assert service.get_entity("old") is not None


def test_switching_stamps_the_change_and_notes_who_made_it(types: None, admin_client: Client) -> None:
    before = Entity.objects.get(code="project").modified_ts
    assert message_of(do(admin_client, "activate", "project")) == ("info", "Activated 0 entity types.")
    assert Entity.objects.get(code="project").modified_ts == before
    remove(admin_client, "deactivate", "project", "old")
    assert Entity.objects.get(code="project").modified_ts > before
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.action_flag, entry.user.username) == ("project", CHANGE, "root")


def test_invalidating_and_warming_say_what_they_did_and_are_logged(
    types: None, admin_client: Client, redis_client: Redis
) -> None:
    get_entity_infrastructure().get_all_entity()
    told = message_of(do(admin_client, "invalidate_cache", "project", reason="They looked old"))
    assert told == ("success", "Invalidated 1 entity type; the next reader of each goes to the database.")
    assert redis_client.keys("entity:*") == [b"entity:metadata:task"]
    told = message_of(do(admin_client, "warm_cache", "project", "task", "old"))
    assert told == ("success", "Warmed 3 entity types: 1 filled, 1 already cached, 1 not cacheable.")
    assert redis_client.exists("entity:metadata:project", "entity:metadata:task", "entity:types") == 3
    assert [row[:5] for row in logged()] == [
        ("root", "admin", "invalidate", "project", "They looked old"),
        ("root", "admin", "warm", "project, task, old", ""),
    ]


def test_without_redis_the_cache_actions_say_so(redis_down: None, committed_db: None, admin_client: Client) -> None:
    make_entity("project")
    for action, what in (("invalidate_cache", "nothing was invalidated"), ("warm_cache", "nothing was cached")):
        level, text = message_of(do(admin_client, action, "project"))
        assert (level, text.partition(".")[0]) == ("error", f"Redis does not answer, so {what}")


def test_without_redis_pages_and_saves_work(redis_down: None, committed_db: None, admin_client: Client) -> None:
    project = make_entity("project")
    assert admin_client.get(LIST).status_code == 200
    assert admin_client.get(change_url("project")).status_code == 200
    assert admin_client.post(change_url("project"), fields(project, label="Venture")).status_code == 302
    assert message_of(remove(admin_client, "deactivate", "project")) == ("success", "Venture: deactivated.")
    project.refresh_from_db()
    assert (project.label, project.active_flag) == ("Venture", False)


def actions_shown_to(client: Client) -> list[str]:
    page = client.get(LIST).content.decode()
    return [action for action in [*ACTIONS, "export_selected", "delete_selected"] if f'value="{action}"' in page]


def test_those_who_may_change_may_switch_but_neither_delete_nor_operate_the_cache(types: None, viewer: Client) -> None:
    editor = staff_client(make_user("editor", "view", "change", is_staff=True))
    assert actions_shown_to(editor) == ["activate", "deactivate", "export_selected"]
    assert message_of(remove(editor, "deactivate", "task")) == ("success", "Task: deactivated.")
    assert actions_shown_to(viewer) == ["export_selected"]


@pytest.mark.parametrize("action", CACHE_ACTIONS)
def test_operating_the_cache_takes_a_permission_of_its_own(task_cached: None, redis_client: Redis, action: str) -> None:
    user = make_user("operator", "view", is_staff=True)
    operator = staff_client(user)
    do(operator, action, "project", "task")
    assert redis_client.keys("entity:*") == [b"entity:metadata:task"]
    user.user_permissions.add(Permission.objects.get(codename="operate_cache"))
    assert actions_shown_to(operator) == [*CACHE_ACTIONS, "export_selected"]
    assert message_of(do(operator, action, "project", "task"))[0] == "success"


def test_before_deactivating_it_is_said_what_changes_what_is_so_and_who_lists_them(
    types: None, admin_client: Client
) -> None:
    make_entity("office", label="Head office", child_entity_codes=["task"])
    question = asked(admin_client, "deactivate", "task", "old")
    assert said(question) == [
        ("Task will become inactive: programs get “not found” for it at once, and screens leave it out.", []),
        ("1 entity type already inactive: nothing happens to it.", ["old"]),
        (
            "1 entity type lists it as a child. If it stays there, readers of that one still see its code, which leads"
            " nowhere.",
            ["office"],
        ),
    ]
    ways = [(button.way, button.label, button.variant) for button in question.buttons]
    assert ways == [
        ("detach_deactivate", "Deactivate, and take out of 1 list", "primary"),
        ("deactivate", "Deactivate, and leave in 1 list", "default"),
    ]
    assert active() == ["office", "project", "task"]


def test_with_nothing_to_switch_there_is_no_button_to_go_on(types: None, admin_client: Client) -> None:
    question = asked(admin_client, "activate", "task")
    assert said(question) == [("1 entity type already active: nothing happens to them.", ["task"])]
    assert question.buttons == []


def test_before_invalidating_or_warming_it_is_said_which_are_cached_or_never_are(
    task_cached: None, admin_client: Client
) -> None:
    sentences = said(asked(admin_client, "invalidate_cache", "project", "task"))
    assert [codes for _, codes in sentences] == [["task"], ["project"], []]
    assert sentences[0][0].startswith("1 entity type cached now will be dropped")
    sentences = said(asked(admin_client, "warm_cache", "project", "task", "old"))
    assert [codes for _, codes in sentences] == [["project"], ["task"], ["old"], []]


def test_a_reason_that_is_too_long_is_asked_for_again(types: None, admin_client: Client) -> None:
    before = CacheOperation.objects.count()
    response = do(admin_client, "invalidate_cache", "project", reason="x" * 201)
    assert response.status_code == 200
    assert "at most 200 characters" in response.content.decode()
    assert CacheOperation.objects.count() == before


def test_selecting_all_acts_on_every_page_of_what_the_filter_shows(committed_db: None, admin_client: Client) -> None:
    make_types(130)
    make_entity("other")
    query = "?q=type_"
    sent = {"action": "deactivate", "_selected_action": ["type_1", "type_2"], "select_across": "1", "index": "0"}
    page = admin_client.post(f"{LIST}{query}", sent)
    assert [button.label for button in page.context["question"].buttons] == ["Deactivate 130 entity types"]
    response = submit(admin_client, page, query, way="deactivate")
    assert message_of(response) == ("success", "130 entity types: deactivated.")
    assert active() == ["other"]


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
    make_linked("project", "wiki", "form")
    before_the_next(monkeypatch, "_go", list_wiki, owner=Removal)
    response = remove(admin_client, "delete", "form", "wiki")
    assert "1 entity type lists some of them as a child" in response.content.decode()
    assert not LogEntry.objects.filter(action_flag=DELETION).exists()
    assert codes() == ["form", "project", "wiki"]


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
