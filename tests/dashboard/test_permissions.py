"""Looking needs one permission and operating another; nothing is done by a GET or without a token."""

from __future__ import annotations

import pytest
from django.test import Client

from entities.models import CacheOperation
from tests.admin.conftest import staff_client
from tests.conftest import make_entity
from tests.dashboard.conftest import ACT, DASHBOARD, ENTRIES, entry_url, staff_with


@pytest.mark.parametrize("url", [DASHBOARD, ENTRIES, entry_url("project")])
def test_who_may_only_look_sees_no_buttons(viewer: Client, operator: Client, url: str) -> None:
    make_entity("project")
    assert ACT not in viewer.get(url).content.decode()
    assert ACT in operator.get(url).content.decode()


def test_a_get_does_nothing(operator: Client) -> None:
    assert operator.get(ACT, {"operation": "clear", "on": "everything"}).status_code == 405
    assert not CacheOperation.objects.exists()


def test_the_menu_has_the_cache_for_those_who_may_look(viewer: Client) -> None:
    assert DASHBOARD in viewer.get("/admin/").content.decode()
    assert DASHBOARD not in staff_client(staff_with("nobody", "view_entity")).get("/admin/").content.decode()
