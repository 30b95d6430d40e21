"""The list's actions that neither remove nor export: activate, invalidate and warm the selected entity types."""

from collections.abc import Sequence

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from cache_layer.inspect import EntryState, Kind
from entities.admin.confirmation import Button, Part, Question, ask, count_types, is_confirmed, parts_about
from entities.admin.operating import ReasonForm, operate
from entities.admin.pages import ModelAdmin, log_changed
from entities.cache.operations import Operation
from entities.lookups import ENTITY
from entities.models import Entity


class ListActions(ModelAdmin):
    """Actions for users who may change entity types, and for those who may operate the cache."""

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        if not is_confirmed(request):
            return ask(self, request, _ask_to_activate(list(queryset)))
        codes = activate_types(request, queryset)
        level = messages.SUCCESS if codes else messages.INFO
        self.message_user(request, f"Activated {count_types(len(codes))}.", level)
        return None

    def has_operate_cache_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("entities.operate_cache")

    @admin.action(description="Invalidate cache", permissions=["operate_cache"])
    def invalidate_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._operate(request, queryset, Operation.INVALIDATE)

    @admin.action(description="Warm cache", permissions=["operate_cache"])
    def warm_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._operate(request, queryset, Operation.WARM)

    def _operate(self, request: HttpRequest, queryset: QuerySet[Entity], operation: Operation) -> HttpResponse | None:
        form = ReasonForm(request.POST if is_confirmed(request) else None)
        if not form.is_valid():
            question = _ask_to_warm if operation is Operation.WARM else _ask_to_invalidate
            return ask(self, request, question(list(queryset), form))
        level, said = operate(request, operation, tuple(queryset.values_list("code", flat=True)), form)
        self.message_user(request, said, messages.DEFAULT_LEVELS[level.upper()])
        return None


def activate_types(request: HttpRequest, queryset: QuerySet[Entity]) -> list[str]:
    """Activate those that are not active, and note who did it; returns their codes."""
    with transaction.atomic():
        to_switch = list(queryset.filter(active_flag=False))
        codes = [entity.pk for entity in to_switch]
        Entity.objects.filter(pk__in=codes).update(active_flag=True)
        log_changed(request, to_switch, "Active")
    return codes


def _ask_to_activate(entities: Sequence[Entity]) -> Question:
    """What activating these will do."""
    to_switch = [entity for entity in entities if not entity.active_flag]
    already = [entity for entity in entities if entity.active_flag]
    parts = parts_about(
        ("{} will become active: programs see them again.", to_switch),
        ("{} already active: nothing happens to them.", already),
    )
    buttons = [Button("activate", f"Activate {count_types(len(to_switch))}")] if to_switch else []
    return Question("Activate entity types?", parts, buttons)


def _ask_to_invalidate(entities: Sequence[Entity], form: ReasonForm) -> Question:
    cached, others = _by_cached(entities)
    parts = parts_about(
        ("{} cached now will be dropped: the next reader of each goes to the database.", cached),
        ("{} not cached now, as far as is known: readers filling them start over.", others),
    )
    parts.append(Part("The list of all entity types is dropped as well."))
    button = Button("", f"Invalidate {count_types(len(entities))}")
    return Question("Invalidate the cache?", parts, [button], form)


def _ask_to_warm(entities: Sequence[Entity], form: ReasonForm) -> Question:
    inactive = [entity for entity in entities if not entity.active_flag]
    cached, missing = _by_cached([entity for entity in entities if entity.active_flag])
    parts = parts_about(
        ("{} will be read from the database and cached.", missing),
        ("{} already cached: left as they are.", cached),
        ("{} inactive: never cached, since programs do not see them.", inactive),
    )
    parts.append(Part("The list of all entity types is cached as well."))
    return Question("Warm the cache?", parts, [Button("", f"Warm {count_types(len(entities))}")], form)


def _by_cached(entities: Sequence[Entity]) -> tuple[list[Entity], list[Entity]]:
    """Those that are cached now, and the others."""
    states = EntryState.of(ENTITY, [entity.code for entity in entities])
    cached = [entity for entity in entities if states[entity.code].kind is Kind.CACHED]
    return cached, [entity for entity in entities if states[entity.code].kind is not Kind.CACHED]
