"""The list's actions: what they do, what they say, and to whom they are open."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client
from redis import Redis

from cache_layer import writes
from cache_layer.reads import Source
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.admin.conftest import LIST, act, change_url, fields, message_of, staff_client
from tests.api.conftest import make_user
from tests.conftest import make_entity

ACTIONS = ["activate", "deactivate", "warm_cache", "invalidate_cache"]


@pytest.fixture
def types(committed_db: None) -> None:
    """Two active entity types and an inactive one."""
    make_entity("project")
    make_entity("task")
    make_entity("old", active_flag=False)


def active() -> list[str]:
    return list(Entity.objects.filter(active_flag=True).order_by("code").values_list("code", flat=True))


def test_deactivating_hides_types_from_readers_at_once(types: None, admin_client: Client) -> None:
    service = get_entity_infrastructure()
    assert len(service.get_all_entity()) == 2
    response = act(admin_client, "deactivate", "project", "task", "old")
    assert message_of(response) == ("success", "Deactivated 2 entity types.")
    assert (service.get_entity("project"), service.get_all_entity()) == (None, ())


def test_activating_shows_them_again(types: None, admin_client: Client) -> None:
    service = get_entity_infrastructure()
    assert service.get_entity("old") is None
    assert message_of(act(admin_client, "activate", "old")) == ("success", "Activated 1 entity type.")
    assert service.get_entity("old") is not None


def test_nothing_to_switch_is_said_and_nothing_written(types: None, admin_client: Client) -> None:
    before = Entity.objects.get(code="project").modified_ts
    assert message_of(act(admin_client, "activate", "project")) == ("info", "Activated 0 entity types.")
    assert Entity.objects.get(code="project").modified_ts == before


def test_switching_stamps_the_change_and_notes_who_made_it(types: None, admin_client: Client) -> None:
    before = Entity.objects.get(code="project").modified_ts
    act(admin_client, "deactivate", "project", "old")
    assert Entity.objects.get(code="project").modified_ts > before
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.action_flag, entry.user.username) == ("project", CHANGE, "root")


def test_however_many_are_switched_there_is_one_wait(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Entity.objects.bulk_create(
        Entity(code=f"type_{number}", label="Type", label_plural="Types", icon="Flag") for number in range(30)
    )
    waits: list[None] = []
    monkeypatch.setattr(writes, "drain", lambda: waits.append(None))
    act(admin_client, "deactivate", *(f"type_{number}" for number in range(30)))
    assert active() == []
    assert len(waits) == 1


def test_invalidating_drops_those_and_the_list_from_redis(
    types: None, admin_client: Client, redis_client: Redis
) -> None:
    service = get_entity_infrastructure()
    service.get_all_entity()
    response = act(admin_client, "invalidate_cache", "project")
    assert message_of(response) == ("success", "Invalidated 1 entity type; the next reader of each asks the database.")
    assert redis_client.keys("entity:*") == [b"entity:metadata:task"]
    assert service.read_entity("project").source is Source.DATABASE


def test_warming_caches_those_that_can_be(types: None, admin_client: Client, redis_client: Redis) -> None:
    act(admin_client, "invalidate_cache", "project", "task")
    get_entity_infrastructure().get_entity("task")
    response = act(admin_client, "warm_cache", "project", "task", "old")
    assert message_of(response) == ("success", "Warmed 3 entity types: 1 filled, 1 already cached, 1 not cacheable.")
    assert redis_client.exists("entity:metadata:project", "entity:metadata:task", "entity:types") == 3


@pytest.mark.parametrize(
    ("action", "what"), [("invalidate_cache", "nothing was invalidated"), ("warm_cache", "nothing was cached")]
)
def test_without_redis_the_cache_actions_say_so(
    redis_down: None, committed_db: None, admin_client: Client, action: str, what: str
) -> None:
    make_entity("project")
    level, text = message_of(act(admin_client, action, "project"))
    assert level == "error"
    assert text.startswith(f"Redis does not answer, so {what}.")


def test_without_redis_pages_and_saves_work(redis_down: None, committed_db: None, admin_client: Client) -> None:
    project = make_entity("project")
    assert admin_client.get(LIST).status_code == 200
    assert admin_client.get(change_url("project")).status_code == 200
    assert admin_client.post(change_url("project"), fields(project, label="Venture")).status_code == 302
    assert message_of(act(admin_client, "deactivate", "project")) == ("success", "Deactivated 1 entity type.")
    project.refresh_from_db()
    assert (project.label, project.active_flag) == ("Venture", False)


@pytest.mark.parametrize("action", ACTIONS)
def test_those_who_may_only_look_have_no_actions(types: None, viewer: Client, redis_client: Redis, action: str) -> None:
    before = redis_client.keys("entity:*")
    assert f'value="{action}"' not in viewer.get(LIST).content.decode()
    act(viewer, action, "project", "old")
    assert active() == ["project", "task"]
    assert redis_client.keys("entity:*") == before


def test_those_who_may_change_have_the_actions_but_not_deletion(types: None) -> None:
    editor = staff_client(make_user("editor", "view", "change", is_staff=True))
    page = editor.get(LIST).content.decode()
    assert [action for action in [*ACTIONS, "delete_selected"] if f'value="{action}"' in page] == ACTIONS
    assert message_of(act(editor, "deactivate", "task")) == ("success", "Deactivated 1 entity type.")


def test_nothing_selected_is_said(types: None, admin_client: Client) -> None:
    level, text = message_of(act(admin_client, "deactivate"))
    assert level == "warning"
    assert "Items must be selected" in text
