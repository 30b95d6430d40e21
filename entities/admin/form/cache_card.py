"""The cache entry of one entity type, beside its form: for everyone to see and for operators to act on."""

from typing import Any

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe

from cache_layer.inspect import Kind
from entities.admin.links import change_url
from entities.admin.operating import ReasonForm, operate
from entities.admin.pages import ModelAdmin, get_existing
from entities.cache.operations import Operation
from entities.dashboard.entries import entries_of
from entities.lookups import ENTITY
from entities.models import Entity

STATE = "admin/entities/entity/cache_card_state.html"


class CacheCardViews(ModelAdmin):
    """The card and its buttons."""

    @method_decorator(require_safe)
    def cache_card_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The card's changing part, as HTML."""
        return render(request, STATE, describe_entry(get_existing(self, request, object_id)))

    @method_decorator(require_POST)
    def operate_cache_view(self, request: HttpRequest, object_id: str, operation: str) -> HttpResponse:
        """Invalidate or warm one entity type; scripts get the card, people the form's page."""
        if not request.user.has_perm("entities.operate_cache"):
            raise PermissionDenied
        if operation not in (Operation.INVALIDATE, Operation.WARM):
            raise Http404
        entity, form = get_existing(self, request, object_id), ReasonForm(request.POST)
        if form.is_valid():
            level, result = operate(request, Operation(operation), [entity.code], form)
        else:
            level, result = "error", f"Reason: {' '.join(map(str, form.errors['reason']))}"
        shown = describe_entry(entity)
        if level == "success" and operation == Operation.WARM and shown["entry"].state.kind is not Kind.CACHED:
            level = "warning"
        if "HX-Request" in request.headers:
            return render(request, STATE, shown | {"level": level, "result": result})
        self.message_user(request, result, messages.DEFAULT_LEVELS[level.upper()])
        return HttpResponseRedirect(change_url(entity.code))


def describe_entry(entity: Entity) -> dict[str, Any]:
    """What the card shows now."""
    (entry,) = entries_of([entity])
    ago = entry.invalidated and naturaltime(entry.invalidated)
    return {"entry": entry, "invalidated_ago": ago, "ttl_seconds": ENTITY.ttl_seconds}
