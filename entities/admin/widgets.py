"""Form widgets for icons and children: plain text fields that scripts enhance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.forms import Script
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide
from unfold.widgets import UnfoldAdminTextInputWidget

from entities.words.icons import current_name, icon_names, icon_set
from entities.words.plurals import PLURAL_RULES

TEMPLATES = "admin/entities/entity"


def draw_icon(name: str, *, size: int = 20) -> SafeString:
    """The drawing of a Lucide component, former names included; empty if there is no such icon."""
    drawing = icon_names().get(current_name(name) or "")
    return mark_safe(lucide(drawing, size=size, aria_hidden="true")) if drawing else SafeString()  # noqa: S308 - the package's own drawing


class IconWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field beside the current icon's drawing, with a dialog for searching all icons."""

    class Media:
        js = (Script("entities/icons.js", defer=True),)

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        as_typed = {"autocomplete": "off", "spellcheck": "false"}
        return render_to_string(
            f"{TEMPLATES}/icon_widget.html",
            {
                "text_field": super().render(name, value, {**(attrs or {}), **as_typed}, renderer),
                "drawing": draw_icon(value or "", size=22),
                "icons_url": f"{reverse('admin:entities_entity_icons')}?v={icon_set().version}",
            },
        )


class PluralWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field that follows the label's regular plural until the user types something else."""

    class Media:
        js = (Script("entities/plural.js", defer=True),)

    def __init__(self) -> None:
        super().__init__({"data-plural-of": "id_label", "data-plural-rules": json.dumps(PLURAL_RULES)})


class ChildrenWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """
    Codes in display order, as a list to search, add, remove and move; without scripts, comma-separated text.

    The form sets `split`, which splits the text into codes, and `labels`, which gives code and label of existing ones.
    """

    split: Callable[[Any], list[str]] = staticmethod(lambda _: [])
    labels: Callable[[Sequence[str]], Iterable[tuple[str, str]]] = staticmethod(lambda _: ())

    class Media:
        js = (Script("entities/children.js", defer=True),)

    def format_value(self, value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else value or ""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        return render_to_string(
            f"{TEMPLATES}/children_widget.html",
            {
                "text_field": super().render(name, value, {**(attrs or {}), "spellcheck": "false"}, renderer),
                "types": [{"code": code, "label": label} for code, label in self.labels(self.split(value))],
                "types_id": f"{(attrs or {}).get('id', name)}_types",
                "search_url": reverse("admin:entities_entity_children"),
            },
        )
