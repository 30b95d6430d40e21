"""Form widgets for icons and children: plain text fields that scripts enhance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.forms import Script
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide
from unfold.widgets import UnfoldAdminTextInputWidget

from entities.words.icons import current_name, icon_names, icon_options
from entities.words.plurals import PLURAL_RULES

TEMPLATES = "admin/entities/entity"


def draw_icon(name: str, *, size: int = 20) -> SafeString:
    """The drawing of a Lucide component, former names included; empty if there is no such icon."""
    icon = current_name(name)
    if icon is None:
        return SafeString()
    return mark_safe(lucide(icon_names()[icon], size=size, aria_hidden="true", data_icon=icon))  # noqa: S308 - the package's own drawing


SCRIPTS = (Script("entities/fields.js"),)
"""It must be there when Alpine starts, so it is not deferred."""


class IconWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field beside the current icon's drawing, with a dialog for searching all icons."""

    class Media:
        js = SCRIPTS

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        as_typed = {"autocomplete": "off", "spellcheck": "false"}
        return render_to_string(
            f"{TEMPLATES}/icon_widget.html",
            {
                "text_field": super().render(name, value, {**(attrs or {}), **as_typed}, renderer),
                "drawing": draw_icon(value or "", size=22),
                "icons_url": f"{reverse('admin:entities_entity_icons')}?v={icon_options().version}",
            },
        )


class PluralWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field that follows the label's regular plural until the user types something else."""

    class Media:
        js = SCRIPTS

    def __init__(self) -> None:
        super().__init__({"x-data": f"globalThis.pluralField?.({json.dumps(PLURAL_RULES)})"})


class ChildrenWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """
    Codes in display order, as a list to search, add, remove and move; without scripts, comma-separated text.

    The form sets `split`, which splits the text into codes, and `labels`, which gives code and label of existing ones.
    """

    split: Callable[[Any], list[str]] = staticmethod(lambda _: [])
    labels: Callable[[Sequence[str]], dict[str, str]] = staticmethod(lambda _: {})

    class Media:
        js = SCRIPTS

    def format_value(self, value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else value or ""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        return render_to_string(
            f"{TEMPLATES}/children_widget.html",
            {
                "text_field": super().render(name, value, {**(attrs or {}), "spellcheck": "false"}, renderer),
                "text_class": self.attrs.get("class", ""),
                "labels": self.labels(self.split(value)),
                "search_url": reverse("admin:entities_entity_children"),
            },
        )
