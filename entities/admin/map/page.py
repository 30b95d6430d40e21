"""The map of entity types: a picture of their links, and lists of anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import action

from entities.admin.links import change_url, draw_chips
from entities.admin.map.type_map import MapType, Picture, Show, TypeMap, read_type_map
from entities.admin.pages import ModelAdmin, show_page
from entities.admin.widgets import draw_icon

LISTED = 50
"""The most types named in a list beside the picture."""


class MapForm(forms.Form):
    """What to draw: `?show=active`, `?around=project&levels=2`."""

    around = forms.CharField(max_length=100, required=False)
    levels = forms.IntegerField(min_value=1, max_value=4, required=False)
    show = forms.ChoiceField(choices=Show.choices, required=False)

    def __init__(self, type_map: TypeMap, data: Any) -> None:
        super().__init__(data)
        self.type_map = type_map

    def clean_around(self) -> str:
        text = self.cleaned_data["around"]
        code = self.type_map.find(text) if text else ""
        if code is None:
            raise forms.ValidationError("No entity type is called “%(text)s”.", params={"text": text})
        return code

    def clean_levels(self) -> int:
        return self.cleaned_data["levels"] or 2

    def clean_show(self) -> Show:
        return Show(self.cleaned_data["show"] or Show.ALL)


@dataclass(frozen=True)
class Node:
    """One type in the picture, and its row in the table."""

    type: MapType
    url: str
    icon: SafeString
    parents: SafeString
    children: SafeString


@dataclass(frozen=True)
class Finding:
    """A list beside the picture: title, meaning, and the types, with the types that list them if that matters."""

    title: str
    meaning: str
    types: list[tuple[str, str, SafeString]]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.types)


class MapPage(ModelAdmin):
    """The page at `map/`; `actions_list` adds its button to the list."""

    @action(description="Map", url_path="map", icon="account_tree", permissions=["view"])  # type: ignore[untyped-decorator] # unfold has no types
    def map(self, request: HttpRequest) -> TemplateResponse:
        type_map = read_type_map()
        form = MapForm(type_map, request.GET)
        valid = form.is_valid()
        asked: dict[str, Any] = form.cleaned_data if valid else {"show": Show.ALL, "levels": 2, "around": ""}
        picture = type_map.draw(**asked)
        context = {
            "title": "Map",
            "may_change": self.has_change_permission(request),
            "form": form,
            "type_map": type_map,
            "picture": picture,
            "middle": type_map.types.get(picture.around),
            "levels": asked["levels"],
            "whole": len(picture.codes) == len(type_map.types),
            "nodes": _nodes(type_map, picture),
            "findings": _findings(type_map),
            "choices": _choices(type_map, asked["show"]),
            "nearer": _address(around=picture.around, levels=asked["levels"] - 1, show=asked["show"]),
            "further": _address(around=picture.around, levels=asked["levels"] + 1, show=asked["show"]),
        }
        return show_page(self, request, "map", context, status=200 if valid else 400)


def _nodes(type_map: TypeMap, picture: Picture) -> list[Node]:
    hidden = {each.code for each in type_map.inactive}
    return [
        Node(
            each,
            change_url(each.code),
            draw_icon(each.icon),
            draw_chips(each.parents, inactive=hidden),
            draw_chips(each.children, inactive=hidden),
        )
        for each in map(type_map.types.__getitem__, picture.codes)
    ]


def _findings(type_map: TypeMap) -> list[Finding]:
    inactive = [(each.code, each.label, each.other_parents) for each in type_map.inactive_children]
    missing = [(code, "", parents) for code, parents in type_map.missing.items()]
    return [
        _finding("Roots", "Children of no other type", _named(type_map.roots)),
        _finding("Leaves", "Without children", _named(type_map.leaves)),
        _finding("Orphans", "Neither parent nor child", _named(type_map.orphans)),
        _finding("Inactive children", "Inactive, and still listed by others", inactive),
        _finding("Missing codes", "Listed as children, but no entity types", missing),
    ]


def _named(types: list[MapType]) -> list[tuple[str, str, list[str]]]:
    return [(each.code, each.label, []) for each in types]


def _finding(title: str, meaning: str, types: list[tuple[str, str, list[str]]]) -> Finding:
    shown = [(code, label, draw_chips(parents) if parents else SafeString()) for code, label, parents in types[:LISTED]]
    return Finding(title, meaning, shown, len(types))


def _choices(type_map: TypeMap, chosen: Show) -> list[dict[str, Any]]:
    """The links above the picture, each with the number of types it shows."""
    inactive = len(type_map.inactive)
    counts = {
        Show.ALL: len(type_map.types),
        Show.ACTIVE: len(type_map.types) - inactive,
        Show.INACTIVE: inactive,
        Show.ORPHANS: len(type_map.orphans),
    }
    return [
        {"label": show.label, "count": count, "address": _address(show=show), "chosen": show == chosen}
        for show, count in counts.items()
    ]


def _address(**query: Any) -> str:
    return f"?{urlencode(query)}"
