"""What a page asks of the engines does not depend on how many entity types there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from entities.cache.entries import warm_entries
from entities.dashboard.figures import forget_figures
from entities.models import Entity
from pmo.people.provenance import running_command
from tests.admin.conftest import LIST, change_url, import_rows, remove, staff_client

FEW = 50
PAGES = {
    "list": LIST,
    "list by label": f"{LIST}?q=type_1",
    "list of parents": f"{LIST}?has_children=yes",
    "list of children": f"{LIST}?is_child=yes",
    "form": change_url("type_1"),
    "form to add one": reverse("admin:entities_entity_add"),
    "suggested children": f"{reverse('admin:entities_entity_children')}?q=type",
    "history": reverse("admin:entities_entity_history", args=["type_5F1"]),
    "changes": reverse("admin:entities_entity_changes"),
    "first page": reverse("admin:index"),
    "map": reverse("admin:entities_entity_map"),
    "dashboard": reverse("cache:dashboard"),
    "entries": reverse("cache:entries"),
    "entry": reverse("cache:entry", args=["type_1"]),
    "import": reverse("admin:entities_entity_import"),
    "export": reverse("admin:entities_entity_export"),
    "deletion": reverse("admin:entities_entity_delete", args=["type_5F1"]),
}


def make_types(first: int, last: int) -> None:
    """One act; one type has all as children, and is the child of one."""
    with running_command("a test"):
        Entity.objects.bulk_create(
            Entity(
                code=f"type_{each}",
                label=f"Type {each}",
                label_plural="Types",
                icon="Flag",
                display_order=each,
                child_entity_codes=[f"type_{each - 1}"] if each else [],
                active_flag=each % 10 != 9,
            )
            for each in range(first, last)
        )
    Entity.objects.filter(code="type_1").update(child_entity_codes=[f"type_{each}" for each in range(last)])


def count(client: Client, commands: list[str]) -> dict[str, tuple[int, int]]:
    """Queries and exchanges with Redis of each page."""
    counted = {}
    for name, url in PAGES.items():
        forget_figures()
        commands.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200, url
        counted[name] = (len(queries), len(commands))
    return counted


@pytest.mark.parametrize("many", [400, pytest.param(2_000, marks=pytest.mark.proof)])
def test_pages_ask_as_much_of_the_engines_with_many_types_as_with_50(
    superuser: User, commands: list[str], many: int
) -> None:
    client = staff_client(superuser)
    make_types(0, FEW)
    list(warm_entries(f"type_{each}" for each in range(FEW)))
    count(client, commands)  # the first requests of a process ask for more, for example content types
    few = count(client, commands)
    make_types(FEW, many)
    list(warm_entries(f"type_{each}" for each in range(FEW)))

    def more_asked() -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
        """The pages that ask for more now; less may be asked: holds that were looked at have run out."""
        now = count(client, commands)
        return {
            name: (few[name], now[name])
            for name in PAGES
            if any(m > f for m, f in zip(now[name], few[name], strict=True))
        }

    for _ in range(5):  # a connection may have had to be opened anew, or a lease have ended
        grown = more_asked()
        if not grown:
            break
    assert grown == {}
    assert min(queries for queries, _ in few.values()) > 0
    assert few["list"][1] > 0


def drag_all(client: Client, codes: list[str]) -> HttpResponse:
    return client.post(LIST, {"_order": codes[::-1], "_order_seen": ",".join(codes), "_save": "Save"})


@pytest.mark.parametrize(
    "change",
    [
        drag_all,
        lambda client, codes: import_rows(client, *({"code": code, "label": "New"} for code in codes)),
        lambda client, codes: remove(client, "deactivate", *codes),
    ],
    ids=["reordered", "imported", "deactivated"],
)
def test_however_many_are_changed_there_is_one_wait(
    committed_db: None, admin_client: Client, waits: list[float], change: Callable[[Client, list[str]], HttpResponse]
) -> None:
    make_types(0, 30)
    before = list(Entity.objects.values())
    waits.clear()
    assert change(admin_client, [row["code"] for row in before]).status_code == 302
    assert sum(row in before for row in Entity.objects.values()) < 5
    assert len(waits) == 1
