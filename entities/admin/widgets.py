"""Form widgets for icons, children and plurals: plain text fields that scripts enhance."""

import json
from collections.abc import Iterable
from typing import Any

from django.forms import Script
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide
from unfold.widgets import UnfoldAdminTextInputWidget

from entities.codes import is_code
from entities.files.columns import read_children
from entities.models import Entity
from entities.words.icons import current_name, icon_names, icon_options
from entities.words.plurals import PLURAL_RULES


def draw_icon(name: str, *, size: int = 20) -> SafeString:
    """The drawing of a Lucide component, former names included; empty if there is no such icon."""
    icon = current_name(name)
    if icon is None:
        return SafeString()
    return mark_safe(lucide(icon_names()[icon], size=size, aria_hidden="true", data_icon=icon))  # noqa: S308 - the package's own drawing


class AssistedTextWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field for what is no prose, inside a template that helps to fill it, with Alpine."""

    template = ""

    class Media:
        js = (Script("entities/fields.js"),)  # not deferred: it must be there when Alpine starts

    def assistance(self, value: Any) -> dict[str, Any]:
        """The template's context."""
        raise NotImplementedError

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        as_typed = {**(attrs or {}), "autocomplete": "off", "spellcheck": "false"}
        text_field = super().render(name, value, as_typed, renderer)
        return render_to_string(self.template, {"text_field": text_field, **self.assistance(value)})


class IconWidget(AssistedTextWidget):
    """A text field beside the current icon's drawing, with a dialog for searching all icons."""

    class Media:
        js = (Script("entities/icons.js"),)

    template = "admin/entities/entity/icon_widget.html"

    def assistance(self, value: Any) -> dict[str, Any]:
        icons_url = f"{reverse('admin:entities_entity_icons')}?v={icon_options().version}"
        return {"drawing": draw_icon(value or "", size=22), "icons_url": icons_url}


class ChildrenWidget(AssistedTextWidget):
    """Codes in display order, as a list to search, add, remove and move; without scripts, comma-separated text."""

    template = "admin/entities/entity/children_widget.html"

    def format_value(self, value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else value or ""

    def assistance(self, value: Any) -> dict[str, Any]:
        listed = Entity.objects.filter(code__in=filter(is_code, read_children(value)))
        return {
            "text_class": self.attrs.get("class", ""),
            "labels": labels_of(listed),
            "search_url": reverse("admin:entities_entity_children"),
        }


PLURAL_WIDGET = UnfoldAdminTextInputWidget({"x-data": f"globalThis.pluralField?.({json.dumps(PLURAL_RULES)})"})
"""A text field that follows the label's regular plural until the user types something else."""


def labels_of(types: Iterable[Entity]) -> dict[str, str]:
    """The label of each, by code; those of inactive types say so."""
    return {each.code: each.label if each.active_flag else f"{each.label} (inactive)" for each in types}
