"""Activating and deactivating entity types, by selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from entities.admin.confirmation import Part, Question, ask, count_types, is_confirmed
from entities.models import Entity

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Entity]
else:
    from unfold.admin import ModelAdmin


class Switching(ModelAdmin):
    """Actions for those who may change entity types."""

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._switch(request, queryset, active=True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._switch(request, queryset, active=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Entity], *, active: bool) -> HttpResponse | None:
        if not is_confirmed(request):
            return ask(self, request, _question(list(queryset), active=active))
        with transaction.atomic():
            to_switch = list(queryset.filter(active_flag=not active))
            changed = Entity.objects.filter(pk__in=[entity.pk for entity in to_switch]).update(active_flag=active)
            if to_switch and request.user.pk:
                LogEntry.objects.log_actions(
                    request.user.pk, to_switch, CHANGE, change_message=[{"changed": {"fields": ["Active"]}}]
                )
        done = "Activated" if active else "Deactivated"
        level = messages.SUCCESS if changed else messages.INFO
        self.message_user(request, f"{done} {count_types(changed)}.", level)
        return None


def _question(entities: Sequence[Entity], *, active: bool) -> Question:
    """What switching these will do, and to whom."""
    adjective, verb = ("active", "Activate") if active else ("inactive", "Deactivate")
    to_switch = [entity for entity in entities if entity.active_flag != active]
    already = [entity for entity in entities if entity.active_flag == active]
    parts = []
    if to_switch:
        effect = "programs see them again" if active else "programs no longer see them"
        parts.append(Part(f"{count_types(len(to_switch))} will become {adjective}: {effect}.", to_switch))
    if already:
        parts.append(Part(f"{count_types(len(already))} already {adjective}: nothing happens to them.", already))
    if not active and to_switch and (parents := _parents_of(to_switch)):
        says = f"{count_types(len(parents))} still list some of them as children, and will go on listing them."
        parts.append(Part(says, parents, warns=True))
    button = f"{verb} {count_types(len(to_switch))}" if to_switch else ""
    action = "activate" if active else "deactivate"
    return Question(action, f"{verb} entity types?", parts, button)


def _parents_of(entities: Sequence[Entity]) -> list[Entity]:
    """The active entity types besides these that list any of them."""
    codes = [entity.code for entity in entities]
    listing = Entity.objects.filter(child_entity_codes__has_any_keys=codes, active_flag=True)
    return list(listing.exclude(code__in=codes))
