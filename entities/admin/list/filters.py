"""List filters of the entity types' admin."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Exists, F, Func, JSONField, OuterRef, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from entities.models import Entity


class YesNoFilter(SimpleListFilter):
    """A yes-or-no filter."""

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]


class HasChildrenFilter(YesNoFilter):
    title = "has children"
    parameter_name = "has_children"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entity]) -> QuerySet[Entity]:
        match self.value():
            case "yes":
                return queryset.exclude(child_entity_codes=[])
            case "no":
                return queryset.filter(child_entity_codes=[])
        return queryset


class HasParentsFilter(YesNoFilter):
    title = "is a child"
    parameter_name = "is_child"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entity]) -> QuerySet[Entity]:
        listed = Exists(Entity.objects.filter(child_entity_codes__contains=_as_json(OuterRef("code"))))
        match self.value():
            case "yes":
                return queryset.filter(listed)
            case "no":
                return queryset.filter(~listed)
        return queryset


def _as_json(expression: OuterRef | F) -> Combinable:
    return Func(expression, function="to_jsonb", output_field=JSONField())
