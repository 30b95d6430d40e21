"""The admin's front page: how many types there are, what needs attention, and the latest changes."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from entities.admin.changes.feed import read_feed
from entities.admin.confirmation import Part
from entities.admin.map.type_map import TypeMap, read_type_map
from entities.admin.pages import MOMENT
from entities.words.icons import current_name

LATEST = 8
NAMED = 12


def describe_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The additions to Unfold's front page, for users who may view entity types."""
    context |= {"title": "Home", "content_title": "Home"}
    if not request.user.has_perm("entities.view_entity"):
        return context
    type_map = read_type_map()
    return context | {
        "type_map": type_map,
        "active": len(type_map.types) - len(type_map.inactive),
        "concerns": list(_concerns(type_map)),
        "acts": read_feed(acts=LATEST, changes_each=2)[0][:LATEST],
        "moment": MOMENT,
    }


def _concerns(type_map: TypeMap) -> Iterator[Part]:
    """Possible mistakes, with the types they concern."""
    in_list, on_map = (reverse(f"admin:entities_entity_{page}") for page in ("changelist", "map"))
    if hidden := type_map.inactive_children:
        url = f"{in_list}?active_flag__exact=0&is_child=yes"
        yield Part("Inactive, and still listed by others", hidden, url=url, go="Show in the list")
    if missing := list(type_map.missing):
        says = f"Listed as children, but not entity types: {', '.join(missing[:NAMED])}. Listed by"
        parents = {parent for each in type_map.missing.values() for parent in each.parents}
        yield Part(says, [each for each in type_map.types.values() if each in parents])
    if unknown := [each for each in type_map.types.values() if current_name(each.icon) is None]:
        yield Part("With an icon that Lucide does not have", unknown)
    if orphans := [each for each in type_map.orphans if each.active_flag]:
        yield Part("Neither parent nor child of another", orphans, url=f"{on_map}?show=orphans", go="Show on the map")
