"""The map of entity types: a picture of their links, and lists of anomalies."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.decorators import action

from entities.admin.map.type_map import MapType, Show, TypeMap, read_type_map
from entities.admin.pages import ModelAdmin, show_page
from entities.texts import ComposedFormField


class MapForm(forms.Form):
    """What to draw: `?show=active`, `?around=project&levels=2`."""

    around = ComposedFormField(max_length=100, required=False)
    levels = forms.IntegerField(min_value=1, max_value=4, required=False)
    show = forms.TypedChoiceField(choices=Show.choices, coerce=Show, empty_value=Show.ALL, required=False)

    def __init__(self, type_map: TypeMap, data: Any) -> None:
        super().__init__(data)
        self.type_map = type_map

    def clean_around(self) -> MapType | None:
        text = self.cleaned_data["around"]
        found = self.type_map.find(text) if text else None
        if text and not found:
            raise forms.ValidationError("No entity type is called “%(text)s”.", params={"text": text})
        return found

    def clean_levels(self) -> int:
        return self.cleaned_data["levels"] or (1 if self.cleaned_data.get("around") else 2)


class MapPage(ModelAdmin):
    """The page at `map/`; `actions_list` adds its button to the list."""

    @action(description="Map", url_path="map", icon="account_tree", permissions=["view"])  # type: ignore[untyped-decorator] # unfold has no types
    def map(self, request: HttpRequest) -> TemplateResponse:
        type_map = read_type_map()
        every = type_map.types.values()
        form = MapForm(type_map, request.GET)
        valid = form.is_valid()
        asked: dict[str, Any] = form.cleaned_data if valid else {"show": Show.ALL, "levels": 2, "around": None}
        picture = type_map.draw(**asked)
        context = {
            "title": "Map",
            "form": form,
            "type_map": type_map,
            "asked": asked,
            "picture": picture,
            "middle": picture.middle,
            "findings": [
                ("Roots", "Children of no other type", [each for each in every if each.is_root]),
                ("Leaves", "Without children", [each for each in every if each.is_leaf]),
                ("Orphans", "Neither parent nor child", type_map.orphans),
                ("Inactive children", "Inactive, and still listed by others", type_map.inactive_children),
                ("Missing codes", "Listed as children, but no entity types", list(type_map.missing.values())),
            ],
            "choices": [
                (Show.ALL, len(every)),
                (Show.ACTIVE, len(every) - len(type_map.inactive)),
                (Show.INACTIVE, len(type_map.inactive)),
                (Show.ORPHANS, len(type_map.orphans)),
            ],
        }
        return show_page(self, request, "map", context, status=200 if valid else 400)
