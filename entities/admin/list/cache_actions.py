"""The list's cache actions: invalidate and warm the selected entity types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from cache_layer.inspect import Kind, is_redis_healthy, read_states
from entities.admin.confirmation import Button, Part, Question, ReasonForm, ask, count_types, is_confirmed
from entities.admin.pages import ModelAdmin
from entities.cache.entries import describe_warmed, drop_entries, warm_entries
from entities.cache.operations import recorded
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity

CACHE_DOWN = "Redis does not answer, so {}. Readers get entity types from the database meanwhile; try again."


class CacheActions(ModelAdmin):
    """Actions for users who may operate the cache."""

    def has_operate_cache_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("entities.operate_cache")

    @admin.action(description="Invalidate cache", permissions=["operate_cache"])
    def invalidate_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        form = ReasonForm(request.POST if is_confirmed(request) else None)
        if not form.is_valid():
            return ask(self, request, _ask_to_invalidate(list(queryset), form))
        codes = _codes(queryset)
        try:
            with _recorded(request, CacheOperation.Operation.INVALIDATE, codes, form) as record:
                record.result = f"{drop_entries(codes)} values dropped"
        except RedisError:
            self.message_user(request, CACHE_DOWN.format("nothing was invalidated"), messages.ERROR)
            return None
        done = f"Invalidated {count_types(len(codes))}; the next reader of each asks the database."
        self.message_user(request, done, messages.SUCCESS)
        return None

    @admin.action(description="Warm cache", permissions=["operate_cache"])
    def warm_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        form = ReasonForm(request.POST if is_confirmed(request) else None)
        if not form.is_valid():
            return ask(self, request, _ask_to_warm(list(queryset), form))
        if not is_redis_healthy():
            self.message_user(request, CACHE_DOWN.format("nothing was cached"), messages.ERROR)
            return None
        codes = _codes(queryset)
        with _recorded(request, CacheOperation.Operation.WARM, codes, form) as record:
            wanted = set(codes)
            counts = Counter(warmed for code, warmed in warm_entries(codes) if code in wanted)
            record.result = describe_warmed(counts)
        self.message_user(request, f"Warmed {count_types(len(codes))}: {record.result}.", messages.SUCCESS)
        return None


def _recorded(
    request: HttpRequest, operation: CacheOperation.Operation, codes: list[str], form: ReasonForm
) -> AbstractContextManager[CacheOperation]:
    return recorded(operation, codes, username=request.user.get_username(), reason=form.cleaned_data["reason"])


def _ask_to_invalidate(entities: Sequence[Entity], form: ReasonForm) -> Question:
    cached, others = _by_cached(entities)
    parts = []
    if cached:
        says = f"{count_types(len(cached))} cached now will be dropped: the next reader of each asks the database."
        parts.append(Part(says, cached))
    if others:
        says = f"{count_types(len(others))} not cached now, as far as is known: whoever is filling them starts anew."
        parts.append(Part(says, others))
    parts.append(Part("The list of all entity types is dropped as well."))
    button = Button("", f"Invalidate {count_types(len(entities))}")
    return Question("invalidate_cache", "Invalidate the cache?", parts, [button], form)


def _ask_to_warm(entities: Sequence[Entity], form: ReasonForm) -> Question:
    active = [entity for entity in entities if entity.active_flag]
    inactive = [entity for entity in entities if not entity.active_flag]
    cached, missing = _by_cached(active)
    parts = []
    if missing:
        parts.append(Part(f"{count_types(len(missing))} will be read from the database and cached.", missing))
    if cached:
        parts.append(Part(f"{count_types(len(cached))} already cached: left as they are.", cached))
    if inactive:
        says = f"{count_types(len(inactive))} inactive: never cached, since programs do not see them."
        parts.append(Part(says, inactive))
    parts.append(Part("The list of all entity types is cached as well."))
    return Question("warm_cache", "Warm the cache?", parts, [Button("", f"Warm {count_types(len(entities))}")], form)


def _by_cached(entities: Sequence[Entity]) -> tuple[list[Entity], list[Entity]]:
    """Those that are cached now, and the others."""
    states = read_states(ENTITY, [entity.code for entity in entities])
    cached = [entity for entity in entities if states[entity.code].kind is Kind.CACHED]
    return cached, [entity for entity in entities if states[entity.code].kind is not Kind.CACHED]


def _codes(queryset: QuerySet[Entity]) -> list[str]:
    return list(queryset.values_list("code", flat=True))
