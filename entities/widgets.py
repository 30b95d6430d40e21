"""Form widgets for icons and children; each is a plain text field that the page's scripts make comfortable."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from typing import Any

from django.forms import Script
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide
from unfold.widgets import UnfoldAdminTextInputWidget

from entities.icons import icon_names
from entities.plurals import PLURAL_RULES

TEMPLATES = "admin/entities/entity"


def draw_icon(name: str, *, size: int = 20) -> SafeString:
    """The drawing of a Lucide component name; nothing if Lucide has no such icon."""
    drawing = icon_names().get(name)
    return mark_safe(lucide(drawing, size=size, aria_hidden="true")) if drawing else SafeString()  # noqa: S308 - the package's own drawing


@functools.cache
def _icon_options() -> SafeString:
    return format_html_join("", '<option value="{}">', ((name,) for name in icon_names()))


class IconWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field that knows every icon's name, beside the drawing of the one that is set."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        list_id = f"{(attrs or {}).get('id', name)}_names"
        text_field = super().render(name, value, {**(attrs or {}), "list": list_id, "autocomplete": "off"}, renderer)
        return render_to_string(
            f"{TEMPLATES}/icon_widget.html",
            {
                "text_field": text_field,
                "drawing": draw_icon(value or "", size=22),
                "list_id": list_id,
                "options": _icon_options(),
            },
        )


class PluralWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """A text field that follows the label's regular plural until someone types something else."""

    class Media:
        js = (Script("entities/plural.js", defer=True),)

    def __init__(self) -> None:
        super().__init__({"data-plural-of": "id_label", "data-plural-rules": json.dumps(PLURAL_RULES)})


class ChildrenWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no types
    """
    Codes in display order, as a list with buttons to add, remove and move; without scripts, text split by commas.

    `types` gives code and label of every type that can be chosen; it is asked when the widget is drawn.
    """

    types: Callable[[], Iterable[tuple[str, str]]] = staticmethod(lambda: ())

    class Media:
        css = {"all": ("entities/admin.css",)}  # noqa: RUF012 - Django's own way
        js = (Script("entities/children.js", defer=True),)

    def format_value(self, value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else value or ""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        return render_to_string(
            f"{TEMPLATES}/children_widget.html",
            {
                "text_field": super().render(name, value, {**(attrs or {}), "spellcheck": "false"}, renderer),
                "types": [{"code": code, "label": label} for code, label in self.types()],
                "types_id": f"{(attrs or {}).get('id', name)}_types",
            },
        )
