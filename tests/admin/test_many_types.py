"""What a page asks of the engines does not depend on how many entity types there are; its links lead to each."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from entities.dashboard.figures import forget_figures
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity, EntityEvent
from pmo.people.provenance import running_command
from tests.admin.conftest import LIST, change_url, import_rows, remove, staff_client
from tests.conftest import make_entity

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
    ENTITY.read_many(f"type_{each}" for each in range(FEW))
    ENTITY_TYPES.read()
    count(client, commands)  # the first requests of a process ask for more, for example content types
    few = count(client, commands)
    make_types(FEW, many)
    ENTITY.read_many(f"type_{each}" for each in range(FEW))
    ENTITY_TYPES.read()

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


CODES = ("phase_22", "a_5f22", "x_2f_3a", "b__", "add", "history")
"""Django's escapes of other characters, and words of the admin's own paths."""
LINK = re.compile(r'(?:href|action|formaction|data-[a-z-]+)="(/admin/[^"#?]*)')
PAGES_OF_ONE = ("change", "history", "delete", "cache")


def addresses(page: str) -> set[str]:
    return set(LINK.findall(page))


@pytest.mark.parametrize("code", CODES)
def test_every_page_of_a_code_and_every_link_on_it_is_about_that_code(admin_client: Client, code: str) -> None:
    make_entity(code, label="Same")
    make_entity("parent", child_entity_codes=[code])
    newest = EntityEvent.objects.filter(code=code).latest("pgh_id").pgh_id
    found: set[str] = set()
    pages = [reverse(f"admin:entities_entity_{page}", args=[quote(code)]) for page in PAGES_OF_ONE]
    pages.append(reverse("admin:entities_entity_restore", args=[quote(code), newest]))
    pages.append(reverse("admin:entities_entity_compare", args=[quote(code)]) + f"?old={newest}&new={newest}")
    pages.append(reverse("cache:entry", args=[code]))
    for page in pages:
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        found |= addresses(answer.content.decode())
    for address in found:
        where = resolve(address)
        about = where.kwargs.get("object_id")
        if about is not None and str(where.url_name).startswith("entities_entity_"):
            assert unquote(about) in (code, "parent"), f"{address} leads to {unquote(about)}"
    assert reverse("admin:entities_entity_change", args=[quote(code)]) in found


def test_the_lists_lead_to_each(admin_client: Client) -> None:
    for code in CODES:
        make_entity(code)
    lists = ("admin:entities_entity_changelist", "admin:entities_entity_map", "cache:entries")
    for page in map(reverse, lists):
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        abouts = [resolve(address).kwargs for address in addresses(answer.content.decode())]
        led = {unquote(about["object_id"]) for about in abouts if "object_id" in about}
        led |= {about["code"] for about in abouts if "code" in about}
        assert led.issuperset(CODES), page
