"""Endpoints for the list's script: cache states, and activating a type."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from cache_layer.inspect import EntryState
from entities.admin.list.columns import draw_switch
from entities.admin.pages import ModelAdmin, log_changed
from entities.changes import change_entity
from entities.codes import is_code
from entities.lookups import ENTITY
from entities.models import Entity

MAX_STATES = 200


class ListRequests(ModelAdmin):
    """Small responses beside the list."""

    def get_urls(self) -> list[Any]:
        views = (
            ("cache-states/", self.cache_states_view, "entities_entity_cache_states"),
            ("activate/", self.activate_view, "entities_entity_activate"),
        )
        own = [path(route, self.admin_site.admin_view(view), name=name) for route, view, name in views]
        return [*own, *super().get_urls()]

    @method_decorator([require_safe, never_cache])
    def cache_states_view(self, request: HttpRequest) -> HttpResponse:
        """The current state in Redis of `codes` (comma-separated)."""
        if not self.has_view_permission(request):
            return _refuse("You may not see entity types.", 403)
        codes = [code for code in request.GET.get("codes", "").split(",") if is_code(code)]
        if len(codes) > MAX_STATES:
            return _refuse(f"At most {MAX_STATES} codes at once.", 400)
        states = EntryState.of(ENTITY, codes)
        return JsonResponse({"states": {code: asdict(state) for code, state in states.items()}})

    @method_decorator(require_POST)
    def activate_view(self, request: HttpRequest) -> HttpResponse:
        """Activate the entity type `code`; its switch as it is then. Deactivating asks for confirmation on a page."""
        if not self.has_change_permission(request):
            return _refuse("You may not change entity types.", 403)
        switched: list[Entity] = []

        def note_change(row: Entity) -> None:
            if not row.active_flag:
                switched.append(row)

        try:
            entity = change_entity(request.POST.get("code", ""), {"active_flag": True}, note_change)
        except Entity.DoesNotExist:
            return _refuse("This entity type was deleted meanwhile.", 404)
        except ValidationError as error:
            return _refuse(" ".join(error.messages), 409)
        log_changed(request, switched, "Active")
        return HttpResponse(draw_switch(entity, may_change=True))


def _refuse(reason: str, status: int) -> HttpResponse:
    return HttpResponse(reason, status=status, content_type="text/plain")
