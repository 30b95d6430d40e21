"""The admin's menu: users see only what they may open."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy


def _item(title: str, icon: str, url_name: str, permission: str) -> dict[str, Any]:
    """A link, which Unfold highlights on its page and on those below it, but Home on its page only."""

    def may_open(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return {"title": title, "icon": icon, "link": reverse_lazy(url_name), "permission": may_open}


def _is_entity_types(request: HttpRequest) -> bool:
    """The list and the pages below it without an item of their own."""
    below = request.path.startswith(reverse("admin:entities_entity_changelist"))
    return below and request.path not in map(reverse, ("admin:entities_entity_map", "admin:entities_entity_changes"))


def _is_dashboard(request: HttpRequest) -> bool:
    """The dashboard alone: the pages below it have items of their own."""
    return request.path == reverse("cache:dashboard")


VIEW_TYPES, VIEW_CACHE = "entities.view_entity", "entities.view_cache"

NAVIGATION: list[dict[str, Any]] = [
    {"items": [_item("Home", "home", "admin:index", VIEW_TYPES)]},
    {
        "title": "Entity types",
        "items": [
            _item("List", "category", "admin:entities_entity_changelist", VIEW_TYPES) | {"active": _is_entity_types},
            _item("Map", "account_tree", "admin:entities_entity_map", VIEW_TYPES),
            _item("Changes", "manage_history", "admin:entities_entity_changes", VIEW_TYPES),
        ],
    },
    {
        "title": "Cache",
        "items": [
            _item("Dashboard", "monitoring", "cache:dashboard", VIEW_CACHE) | {"active": _is_dashboard},
            _item("Entries", "database", "cache:entries", VIEW_CACHE),
            _item("Audit log", "history", "admin:entities_cacheoperation_changelist", VIEW_CACHE),
        ],
    },
    {
        "title": "People",
        "items": [
            _item("Users", "person", "admin:auth_user_changelist", "auth.view_user"),
            _item("Groups", "group", "admin:auth_group_changelist", "auth.view_group"),
            _item("Failed logins", "lock", "admin:axes_accessattempt_changelist", "axes.view_accessattempt"),
        ],
    },
]
