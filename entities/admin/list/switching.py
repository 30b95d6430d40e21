"""Activates the selected entity types."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from entities.admin.confirmation import Button, Question, ask, count_types, is_confirmed, parts_about
from entities.admin.history.acts import undo_url_of
from entities.admin.pages import ModelAdmin, log_changed
from entities.models import Entity


class Switching(ModelAdmin):
    """An action for users who may change entity types."""

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        if not is_confirmed(request):
            return ask(self, request, _question(list(queryset)))
        with transaction.atomic():
            to_switch = list(queryset.filter(active_flag=False))
            codes = [entity.pk for entity in to_switch]
            changed = Entity.objects.filter(pk__in=codes).update(active_flag=True)
            log_changed(request, to_switch, "Active")
        level = messages.SUCCESS if changed else messages.INFO
        self.message_user(request, f"Activated {count_types(changed)}.", level, extra_tags=undo_url_of(codes))
        return None


def _question(entities: Sequence[Entity]) -> Question:
    """What activating these will do."""
    to_switch = [entity for entity in entities if not entity.active_flag]
    already = [entity for entity in entities if entity.active_flag]
    parts = parts_about(
        ("{} will become active: programs see them again.", to_switch),
        ("{} already active: nothing happens to them.", already),
    )
    buttons = [Button("activate", f"Activate {count_types(len(to_switch))}")] if to_switch else []
    return Question("activate", "Activate entity types?", parts, buttons)
