"""What htmx asks for on the list: cache states, and activating a type."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from cache_layer.inspect import read_states
from entities.admin.list.columns import draw_cache_state, draw_switch
from entities.admin.pages import ModelAdmin, log_changed, refuse
from entities.changes import change_entity
from entities.codes import is_code
from entities.lookups import ENTITY
from entities.models import Entity

MAX_STATES = 100
"""How many are asked for at once: their codes are in the address."""


class ListRequests(ModelAdmin):
    """Small responses beside the list."""

    @method_decorator([require_safe, never_cache])
    def cache_states_view(self, request: HttpRequest) -> HttpResponse:
        """The current state in Redis of `codes` (comma-separated), as the list's cells; polled by the page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        codes = [code for code in request.GET.get("codes", "").split(",") if is_code(code)]
        if len(codes) > MAX_STATES:
            return refuse(f"At most {MAX_STATES} codes at once.", 400)
        states = read_states(ENTITY, codes)
        return HttpResponse("".join(draw_cache_state(code, state) for code, state in states.items()))

    @method_decorator(require_POST)
    def activate_view(self, request: HttpRequest) -> HttpResponse:
        """Activate the entity type `code`; its switch as it is then. Deactivating asks for confirmation on a page."""
        if not self.has_change_permission(request):
            return refuse("You may not change entity types.", 403)
        switched: list[Entity] = []

        def note_change(row: Entity) -> None:
            if not row.active_flag:
                switched.append(row)

        try:
            entity = change_entity(request.POST.get("code", ""), {"active_flag": True}, note_change)
        except Entity.DoesNotExist:
            return refuse("This entity type was deleted meanwhile.", 404)
        except ValidationError as error:
            return refuse(" ".join(error.messages), 409)
        log_changed(request, switched, "Active")
        return HttpResponse(draw_switch(entity, may_change=True))
