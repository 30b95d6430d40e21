"""The list's cache actions: invalidate and warm the selected entity types."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from cache_layer.inspect import EntryState, Kind
from entities.admin.confirmation import Button, Part, Question, ReasonForm, ask, count_types, is_confirmed
from entities.admin.pages import ModelAdmin
from entities.cache.acts import Act, ActFailed, Operation, perform
from entities.lookups import ENTITY
from entities.models import Entity

CACHE_DOWN = "Redis does not answer, so {}. Readers get entity types from the database meanwhile; try again."


class CacheActions(ModelAdmin):
    """Actions for users who may operate the cache."""

    def has_operate_cache_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("entities.operate_cache")

    @admin.action(description="Invalidate cache", permissions=["operate_cache"])
    def invalidate_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._operate(request, queryset, Operation.INVALIDATE)

    @admin.action(description="Warm cache", permissions=["operate_cache"])
    def warm_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._operate(request, queryset, Operation.WARM)

    def _operate(self, request: HttpRequest, queryset: QuerySet[Entity], operation: Operation) -> HttpResponse | None:
        warms = operation is Operation.WARM
        form = ReasonForm(request.POST if is_confirmed(request) else None)
        if not form.is_valid():
            question = _ask_to_warm if warms else _ask_to_invalidate
            return ask(self, request, question(list(queryset), form))
        codes = tuple(queryset.values_list("code", flat=True))
        try:
            *_, last = perform(Act(operation, codes, request.user.get_username(), form.cleaned_data["reason"]))
        except ActFailed:
            nothing = "nothing was cached" if warms else "nothing was invalidated"
            self.message_user(request, CACHE_DOWN.format(nothing), messages.ERROR)
            return None
        types = count_types(len(codes))
        done = (
            f"Warmed {types}: {last.result}."
            if warms
            else f"Invalidated {types}; the next reader of each goes to the database."
        )
        self.message_user(request, done, messages.SUCCESS)
        return None


def _ask_to_invalidate(entities: Sequence[Entity], form: ReasonForm) -> Question:
    cached, others = _by_cached(entities)
    parts = []
    if cached:
        says = f"{count_types(len(cached))} cached now will be dropped: the next reader of each goes to the database."
        parts.append(Part(says, cached))
    if others:
        says = f"{count_types(len(others))} not cached now, as far as is known: readers filling them start over."
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
    states = EntryState.of(ENTITY, [entity.code for entity in entities])
    cached = [entity for entity in entities if states[entity.code].kind is Kind.CACHED]
    return cached, [entity for entity in entities if states[entity.code].kind is not Kind.CACHED]
