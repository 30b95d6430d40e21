"""The admin's front page: how many types there are, what needs attention, and the latest changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from entities.admin.changes.feed import read_feed
from entities.admin.links import draw_chips
from entities.admin.map.type_map import TypeMap, read_type_map
from entities.admin.pages import MOMENT
from entities.words.icons import current_name

LATEST = 8
NAMED = 12


@dataclass(frozen=True)
class Concern:
    """A possible mistake, with the types it concerns."""

    says: str
    chips: SafeString
    url: str = ""
    go: str = ""


def describe_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The additions to Unfold's front page, for users who may view entity types."""
    context |= {"title": "Home", "content_title": "Home"}
    if not request.user.has_perm("entities.view_entity"):
        return context
    type_map = read_type_map()
    return context | {
        "may_view": True,
        "may_add": request.user.has_perm("entities.add_entity"),
        "type_map": type_map,
        "active": len(type_map.types) - len(type_map.inactive),
        "concerns": list(_concerns(type_map)),
        "acts": read_feed(acts=LATEST, changes_each=2)[0][:LATEST],
        "moment": MOMENT,
    }


def _concerns(type_map: TypeMap) -> Iterator[Concern]:
    if hidden := [each.code for each in type_map.inactive_children]:
        url = f"{reverse('admin:entities_entity_changelist')}?active_flag__exact=0&is_child=yes"
        yield Concern("Inactive, and still listed by others", _chips(hidden, inactive=True), url, "Show in the list")
    if missing := list(type_map.missing):
        parents = {parent.code for each in type_map.missing.values() for parent in each.parents}
        says = f"Listed as children, but not entity types: {', '.join(missing[:NAMED])}. Listed by"
        yield Concern(says, _chips([code for code in type_map.types if code in parents]))
    if unknown := [each.code for each in type_map.types.values() if current_name(each.icon) is None]:
        yield Concern("With an icon that Lucide does not have", _chips(unknown))
    if orphans := [each.code for each in type_map.orphans if each.active_flag]:
        url = f"{reverse('admin:entities_entity_map')}?show=orphans"
        yield Concern("Neither parent nor child of another", _chips(orphans), url, "Show on the map")


def _chips(codes: list[str], *, inactive: bool = False) -> SafeString:
    more = SafeString(f" and {len(codes) - NAMED} more") if len(codes) > NAMED else SafeString()
    return draw_chips(codes[:NAMED], inactive=codes if inactive else ()) + more
