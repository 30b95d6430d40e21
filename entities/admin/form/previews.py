"""Previews of an entity type as its form would save it: the document, and the tabs of a screen."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from entities.admin.history.differences import Line, compare_documents
from entities.admin.widgets import draw_icon
from entities.codes import is_code
from entities.models import Entity


@dataclass(frozen=True)
class Tab:
    """One child; `hidden` says why a screen would not show it."""

    code: str
    label: str
    drawing: SafeString
    hidden: str = ""


@dataclass(frozen=True)
class Preview:
    """
    The whole preview.

    Attributes:
        entity: as saving would make it; without a typed code, with the one it would get.
        icon: the drawing of the icon that was typed; empty if there is none.
        errors: problems by field label; those fields are shown as stored.
        stored: whether the entity type already exists.
    """

    entity: Entity
    drawing: SafeString
    icon: SafeString
    lines: Sequence[Line]
    tabs: Sequence[Tab]
    errors: Sequence[tuple[str, str]]
    stored: bool

    @property
    def differs(self) -> bool:
        return any(line.mark for line in self.lines)


def preview_form(form: Any) -> Preview:
    """What saving this form would produce; for an unbound form, what is stored."""
    form.is_valid()
    entity: Entity = form.instance
    stored = None if entity._state.adding else Entity.objects.filter(pk=entity.pk).first()
    saved = _as_saved(entity, changed=form.is_bound and form.has_changed())
    return Preview(
        entity,
        draw_icon(entity.icon),
        SafeString() if "icon" in form.errors else draw_icon(entity.icon, size=22),
        compare_documents(stored or saved, saved),
        _tabs(entity),
        [(_label(form, name), text) for name, texts in form.errors.items() for text in texts],
        stored is not None,
    )


def _as_saved(entity: Entity, *, changed: bool) -> Entity:
    """What it would be if it were saved now."""
    now = timezone.now()
    saved = copy.copy(entity)
    saved.entity_type = entity.entity_type or entity.code
    if entity._state.adding:
        saved.created_ts = now
    if changed or entity._state.adding:
        saved.modified_ts = now
    return saved


def _tabs(entity: Entity) -> list[Tab]:
    codes = entity.child_entity_codes
    found = Entity.objects.in_bulk([code for code in codes if is_code(code)])
    if entity.code:
        found[entity.code] = entity
    return [_tab(code, found.get(code)) for code in codes]


def _tab(code: str, child: Entity | None) -> Tab:
    if child is None:
        return Tab(code, code, SafeString(), "there is no such type")
    hidden = "" if child.active_flag else "inactive"
    return Tab(code, child.label_plural or child.label, draw_icon(child.icon, size=16), hidden)


def _label(form: Any, name: str) -> str:
    return str(form[name].label) if name in form.fields else ""
