"""The cache card beside an entity type's form: what it shows, what its buttons do, and to whom they are open."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from redis import Redis

from cache_layer import Source
from cache_layer.counting.reporting import report_activity
from cache_layer.inspect import Kind
from cache_layer.protocol.scripts import hold_keys
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure
from tests.admin.conftest import change_url, fields, message_of, staff_client
from tests.api.conftest import make_user
from tests.conftest import make_entity
from tests.dashboard.conftest import logged

CARD = reverse("admin:entities_entity_cache", args=["project"])
WARM, INVALIDATE = (
    reverse("admin:entities_entity_operate_cache", args=["project", act]) for act in ("warm", "invalidate")
)


pytestmark = pytest.mark.usefixtures("committed_db")


def make_uncached(**fields: object) -> None:
    """The entity type `project`, which nobody has read."""
    make_entity("project", **fields)
    ENTITY.entries_of_rows("project").invalidate()


@pytest.fixture
def operator(db: None) -> Client:
    user = make_user("olga", "view", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate_cache"))
    return staff_client(user)


def card(client: Client) -> tuple[Any, str]:
    """The entry that it shows, and its HTML."""
    response = client.get(CARD)
    assert response.status_code == 200
    return response.context["entry"], response.content.decode()


def act(client: Client, url: str, **sent: str) -> HttpResponse:
    """Press a button where scripts run."""
    return client.post(url, sent, headers={"HX-Request": "true"})


def said(response: HttpResponse) -> tuple[str, str]:
    assert response.status_code == 200
    return response.context["level"], response.context["result"]  # type: ignore[attr-defined] # Django's test client adds it


def test_it_shows_what_is_cached_and_for_how_long(viewer: Client, redis_client: Redis) -> None:
    make_uncached()
    assert card(viewer)[0].state.kind is Kind.NOT_CACHED
    get_entity_infrastructure().get_entity("project")
    shown, page = card(viewer)
    assert shown.state.kind is Kind.CACHED
    assert "Cached" in page
    assert shown.state.payload_bytes == redis_client.strlen(ENTITY.key("project"))
    assert f"{shown.state.payload_bytes} bytes" in page
    assert f'data-seconds-left max="{ENTITY.ttl_seconds}" value="{shown.state.ttl_seconds}"' in page
    assert f"{shown.state.payload_bytes} bytes" in viewer.get(change_url("project")).content.decode()


def test_it_counts_hits_and_names_the_cause_of_the_last_invalidation(admin_client: Client) -> None:
    project = make_entity("project")
    service = get_entity_infrastructure()
    admin_client.post(change_url("project"), fields(project, label="Venture"))
    report_activity()
    before = card(admin_client)[0].activity
    for _ in range(3):
        assert service.read_entity("project").source in (Source.LOCAL, Source.REDIS)
    report_activity()
    shown, page = card(admin_client)
    assert shown.activity is not None
    assert before is not None
    assert shown.activity.hits_today == before.hits_today + 3
    assert f"<dd>{shown.activity.hits_today}</dd>" in page
    assert ", by: Admin" in page


def test_its_buttons_say_what_they_did_with_and_without_scripts_and_are_logged(
    operator: Client, redis_client: Redis
) -> None:
    make_uncached()
    assert said(act(operator, WARM)) == (
        "success",
        "Warmed 1 entity type: 1 filled, 0 already cached, 0 not cacheable.",
    )
    assert redis_client.exists(ENTITY.key("project"))
    assert said(act(operator, WARM)) == (
        "success",
        "Warmed 1 entity type: 0 filled, 1 already cached, 0 not cacheable.",
    )
    response = act(operator, INVALIDATE, reason=" It looked odd ")
    assert said(response) == ("success", "Invalidated 1 entity type; the next reader of each goes to the database.")
    assert response.context["entry"].state.kind is Kind.NOT_CACHED  # type: ignore[attr-defined] # as above
    assert not redis_client.exists(ENTITY.key("project"))
    response = operator.post(WARM)
    assert (response.status_code, response["Location"]) == (302, change_url("project"))
    assert message_of(response) == ("success", "Warmed 1 entity type: 1 filled, 0 already cached, 0 not cacheable.")
    assert logged() == [
        ("olga", "admin", "warm", "project", "", "1 filled, 0 already cached, 0 not cacheable"),
        ("olga", "admin", "warm", "project", "", "0 filled, 1 already cached, 0 not cacheable"),
        ("olga", "admin", "invalidate", "project", "It looked odd", "2 cached values dropped"),
        ("olga", "admin", "warm", "project", "", "1 filled, 0 already cached, 0 not cacheable"),
    ]


def test_what_is_inactive_or_being_written_is_said_not_to_be_warmed(operator: Client) -> None:
    make_uncached(active_flag=False)
    answer = act(operator, WARM)
    assert said(answer) == ("warning", "Warmed 1 entity type: 0 filled, 0 already cached, 1 not cacheable.")
    assert "Inactive entity types are not cached." in answer.content.decode()
    Entity.objects.update(active_flag=True)
    hold_keys([ENTITY.key("project")], "a writer")
    assert "Being written" in card(operator)[1]
    assert said(act(operator, WARM))[0] == "warning"


@pytest.mark.parametrize("reason", ["x" * 201, "a\x07b", "a\x00b"])
def test_a_reason_that_the_log_cannot_hold_is_refused(operator: Client, reason: str) -> None:
    make_uncached()
    get_entity_infrastructure().get_entity("project")
    level, text = said(act(operator, INVALIDATE, reason=reason))
    assert (level, text.split()[0]) == ("error", "Reason:")
    assert card(operator)[0].state.kind is Kind.CACHED
    assert not CacheOperation.objects.exists()


def test_without_redis_the_card_says_so_and_nothing_is_done(
    operator: Client, redis_down: None, set_options: Callable[..., None]
) -> None:
    make_entity("project")
    assert "Redis does not answer" in card(operator)[1]
    assert operator.get(change_url("project")).status_code == 200
    for url, what in ((WARM, "cached"), (INVALIDATE, "invalidated")):
        level, text = said(act(operator, url))
        assert (level, text.partition(".")[0]) == ("error", f"Redis does not answer, so nothing was {what}")


def test_without_the_permission_there_are_no_buttons(viewer: Client, operator: Client) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    assert INVALIDATE in operator.get(change_url("project")).content.decode()
    page = viewer.get(change_url("project")).content.decode()
    assert "Size" in page
    assert INVALIDATE not in page
    assert WARM not in page


def test_the_urls_refuse_what_they_are_not_for(operator: Client) -> None:
    assert operator.get(CARD).status_code == 404
    assert operator.post(WARM).status_code == 404
    make_uncached()
    assert operator.get(WARM).status_code == 405
    assert operator.post(f"{CARD}clear/").status_code == 404
