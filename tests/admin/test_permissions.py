"""Which permission opens what in the admin: every address of ours (of all others: tests/platform/test_access.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from entities.models import Entity, EntityEvent
from tests.admin.conftest import staff_client
from tests.api.conftest import make_user
from tests.conftest import make_entity

USERS = {
    "viewer": ["view_entity"],
    "cache viewer": ["view_entity", "view_cache"],
    "editor": ["view_entity", "add_entity", "change_entity", "delete_entity"],
    "operator": ["view_entity", "view_cache", "operate_cache"],
    "nobody": [],
}
VIEW, ADD, CHANGE, DELETE, CACHE, OPERATE = (
    "view_entity", "add_entity", "change_entity", "delete_entity", "view_cache", "operate_cache",
)  # fmt: skip
NEEDS = {
    "cache:dashboard": CACHE,
    "cache:figures": CACHE,
    "cache:entries": CACHE,
    "cache:entry": CACHE,
    "cache:memories": CACHE,
    "cache:values": CACHE,
    "cache:act": OPERATE,
    "admin:entities_entity_cache_states": VIEW,
    "admin:entities_entity_activate": CHANGE,
    "admin:entities_entity_deactivate": CHANGE,
    "admin:entities_entity_undo": VIEW,
    "admin:entities_entity_changes": VIEW,
    "admin:entities_entity_icons": "",
    "admin:entities_entity_children": VIEW,
    "admin:entities_entity_preview_new": ADD,
    "admin:entities_entity_preview": CHANGE,
    "admin:entities_entity_editors": CHANGE,
    "admin:entities_entity_cache": VIEW,
    "admin:entities_entity_operate_cache": OPERATE,
    "admin:entities_entity_compare": VIEW,
    "admin:entities_entity_restore": CHANGE,
    "admin:entities_entity_process_import": ADD,
    "admin:entities_entity_import": ADD,
    "admin:entities_entity_export": VIEW,
    "admin:entities_entity_map": VIEW,
    "admin:entities_entity_changelist": VIEW,
    "admin:entities_entity_add": ADD,
    "admin:entities_entity_history": VIEW,
    "admin:entities_entity_delete": DELETE,
    "admin:entities_entity_change": VIEW,
    "admin:entities_cacheoperation_changelist": CACHE,
}
"""The permission that each address needs; staff alone for the icons, which are the same for all."""
POSTED = {"_activate", "preview_new", "preview", "operate_cache", "process_import", "act"}
"""The last words of those that answer nothing but POST."""


def names_of_ours() -> set[str]:
    """The names of all addresses under `/admin/` that this project's models and views have."""

    def walk(resolver: URLResolver, space: str) -> Iterator[str]:
        for each in resolver.url_patterns:
            if isinstance(each, URLResolver):
                yield from walk(each, each.namespace or space)
            elif isinstance(each, URLPattern) and each.name:
                yield f"{space}:{each.name}"

    found = {name for name in walk(get_resolver(), "") if name.startswith(("cache:", "admin:entities_"))}
    return {name for name in found if "cacheoperation" not in name or name.endswith("changelist")}


def address(name: str) -> str:
    version = EntityEvent.objects.filter(code="project").order_by("pk").first()
    arguments = {
        "cache:entry": ["project"],
        "admin:entities_entity_undo": [version.pk if version else 0],
        "cache:memories": ["project"],
        "admin:entities_entity_restore": ["project", version.pk if version else 0],
        "admin:entities_entity_operate_cache": ["project", "warm"],
    }
    word = name.removeprefix("admin:entities_entity_")
    if word in ("preview", "editors", "cache", "compare", "history", "delete", "deactivate", "change"):
        return reverse(name, args=["project"])
    return reverse(name, args=arguments.get(name, []))


def test_every_address_of_ours_has_its_permission_here() -> None:
    assert names_of_ours() == set(NEEDS)


@pytest.mark.parametrize("kind", USERS)
def test_addresses_are_refused_to_who_lacks_the_permission_and_open_to_who_has_it(db: None, kind: str) -> None:
    make_entity("project")
    user = make_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=USERS[kind]))
    client = staff_client(user)
    wrong = []
    for name, permission in NEEDS.items():
        url, allowed = address(name), not permission or permission in USERS[kind]
        got = {client.get(url).status_code}
        if not allowed or name.endswith(tuple(POSTED)):
            got.add(client.post(url).status_code)
        refused = 403 in got and got <= {403, 405}  # by the other method there may be nothing
        if refused is allowed:
            wrong.append((name, sorted(got)))
    assert wrong == []
    assert Entity.objects.filter(code="project").exists()
