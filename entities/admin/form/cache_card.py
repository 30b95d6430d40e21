"""The cache entry of one entity type, beside its form: for everyone to see and for operators to act on."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe
from redis.exceptions import RedisError

from cache_layer.inspect import EntryActivity, EntryState, Kind
from entities.admin.confirmation import ReasonForm
from entities.admin.links import change_url
from entities.admin.pages import ModelAdmin, get_existing
from entities.cache.acts import ActFailed, Operation, perform
from entities.lookups import ENTITY
from entities.models import Entity

CAUSES = {
    "admin": "somebody in the admin",
    "api": "a call of the API",
    "command": "a command",
    "sql": "a change directly in the database",
    "clear": "a clearing of the whole cache",
    "audit": "the audit, which found it different from the database",
    "restart": "a restart of Redis",
}
REDIS_DOWN = "Redis does not answer: nothing was done. Try again."


def read_card(code: str) -> dict[str, Any]:
    """The current state and counters of an entity type's entry; no `activity` if Redis does not answer."""
    state = EntryState.of(ENTITY, [code])[code]
    try:
        activity = EntryActivity.read(ENTITY, [code])[code]
    except RedisError:
        return {"state": state, "activity": None}
    when = datetime.fromtimestamp(activity.invalidated_s, UTC) if activity.invalidated_s else None
    return {
        "state": state,
        "lifetime_seconds": ENTITY.ttl_seconds,
        "activity": activity,
        "invalidated_ts": when,
        "invalidated_ago": when and naturaltime(when),
        "cause": CAUSES.get(activity.cause or "", activity.cause),
    }


class CacheCardViews(ModelAdmin):
    """The card and its buttons."""

    @method_decorator(require_safe)
    def cache_card_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The card's changing part, as HTML."""
        return _render_card(request, get_existing(self, request, object_id))

    @method_decorator(require_POST)
    def operate_cache_view(self, request: HttpRequest, object_id: str, operation: str) -> HttpResponse:
        """Invalidate or warm one entity type; scripts get the card, people the form's page."""
        if not request.user.has_perm("entities.operate_cache"):
            raise PermissionDenied
        if operation not in (Operation.INVALIDATE, Operation.WARM):
            raise Http404
        entity = get_existing(self, request, object_id)
        level, result = _operate(Operation(operation), entity, request)
        if "HX-Request" in request.headers:
            return _render_card(request, entity, level=level, result=result)
        self.message_user(request, result, messages.DEFAULT_LEVELS[level.upper()])
        return HttpResponseRedirect(change_url(entity.code))


def _render_card(request: HttpRequest, entity: Entity, **done: str) -> HttpResponse:
    context = {"cache_card": read_card(entity.code), "original": entity, **done}
    return render(request, "admin/entities/entity/cache_card_state.html", context)


def _operate(operation: Operation, entity: Entity, request: HttpRequest) -> tuple[str, str]:
    """Do it, noting it in the audit log; returns the level and text of the message."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return "error", f"Reason: {' '.join(map(str, form.errors['reason']))}"
    before = EntryState.of(ENTITY, [entity.code])[entity.code].kind
    try:
        reason = form.cleaned_data["reason"]
        for _ in perform(operation, (entity.code,), username=request.user.get_username(), reason=reason):
            pass
    except ActFailed:
        return "error", REDIS_DOWN
    if operation is Operation.INVALIDATE:
        return "success", "Invalidated: the next reader goes to the database."
    return _describe_warmed(before, entity)


def _describe_warmed(before: Kind, entity: Entity) -> tuple[str, str]:
    if before is Kind.CACHED:
        return "success", "It was cached already."
    if EntryState.of(ENTITY, [entity.code])[entity.code].kind is Kind.CACHED:
        return "success", "Warmed: it is cached now."
    if not entity.active_flag:
        return "warning", "Inactive entity types are not cached."
    return "warning", "It is being changed right now, so it was not cached. Try again."
