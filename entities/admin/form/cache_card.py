"""The cache entry of one entity type, beside its form: for everyone to see and for operators to act on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
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
from entities.admin.pages import ModelAdmin
from entities.cache.acts import recorded
from entities.cache.entries import Warmed, describe_dropped, drop_entries, warm_entry
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity

Operation = CacheOperation.Operation

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


@dataclass(frozen=True)
class CacheCard:
    """One entry; `activity` is None if Redis does not answer."""

    state: EntryState
    lifetime_seconds: int
    activity: EntryActivity | None
    invalidated_ts: datetime | None
    invalidated_ago: str
    cause: str


def read_card(code: str) -> CacheCard:
    """The current state and counters of an entity type's entry."""
    state = EntryState.of(ENTITY, [code])[code]
    activity = None
    if state.kind is not Kind.UNKNOWN:
        try:
            activity = EntryActivity.read(ENTITY, [code])[code]
        except RedisError:
            state = EntryState(Kind.UNKNOWN)
    seconds, cause = (activity.invalidated_s, activity.cause or "") if activity else (None, "")
    when = datetime.fromtimestamp(seconds, UTC) if seconds else None
    ago = str(naturaltime(when)) if when else ""
    return CacheCard(state, ENTITY.ttl_seconds, activity, when, ago, CAUSES.get(cause, cause))


class CacheCardViews(ModelAdmin):
    """The card and its buttons."""

    @method_decorator(require_safe)
    def cache_card_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The card's changing part, as HTML."""
        return _render_card(request, self._get_seen(request, object_id))

    @method_decorator(require_POST)
    def operate_cache_view(self, request: HttpRequest, object_id: str, operation: str) -> HttpResponse:
        """Invalidate or warm one entity type; scripts get the card, people the form's page."""
        if not request.user.has_perm("entities.operate_cache"):
            raise PermissionDenied
        if operation not in (Operation.INVALIDATE, Operation.WARM):
            raise Http404
        entity = self._get_seen(request, object_id)
        level, result = _operate(Operation(operation), entity, request)
        if "HX-Request" in request.headers:
            return _render_card(request, entity, {"level": level, "result": result})
        self.message_user(request, result, messages.DEFAULT_LEVELS[level.upper()])
        return HttpResponseRedirect(change_url(entity.code))

    def _get_seen(self, request: HttpRequest, object_id: str) -> Entity:
        entity: Entity | None = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, entity):
            raise PermissionDenied
        if entity is None:
            raise Http404
        return entity


def _render_card(request: HttpRequest, entity: Entity, done: dict[str, Any] | None = None) -> HttpResponse:
    context = {"cache_card": read_card(entity.code), "original": entity, **(done or {})}
    return render(request, "admin/entities/entity/cache_card_state.html", context)


def _operate(operation: CacheOperation.Operation, entity: Entity, request: HttpRequest) -> tuple[str, str]:
    """Do it, noting it in the audit log; returns the level and text of the message."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return "error", f"Reason: {' '.join(map(str, form.errors['reason']))}"
    if operation is Operation.WARM and EntryState.of(ENTITY, [entity.code])[entity.code].kind is Kind.UNKNOWN:
        return "error", REDIS_DOWN
    try:
        with recorded(operation, [entity.code], username=request.user.get_username(), **form.cleaned_data) as record:
            if operation is Operation.WARM:
                warmed = warm_entry(entity.code)
                record.result = str(warmed)
                return _describe_warmed(warmed, entity)
            record.result = describe_dropped(drop_entries([entity.code]))
            return "success", "Invalidated: the next reader goes to the database."
    except RedisError:
        return "error", REDIS_DOWN


def _describe_warmed(warmed: Warmed, entity: Entity) -> tuple[str, str]:
    if warmed is Warmed.FILLED:
        return "success", "Warmed: it is cached now."
    if warmed is Warmed.ALREADY_CACHED:
        return "success", "It was cached already."
    if not entity.active_flag:
        return "warning", "Inactive entity types are not cached."
    return "warning", "It is being changed right now, so it was not cached. Try again."
