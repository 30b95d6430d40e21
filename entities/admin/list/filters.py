"""List filters of the entity types' admin."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Exists, Func, JSONField, OuterRef, Q, QuerySet
from django.http import HttpRequest

from entities.models import Entity


class YesNoFilter(SimpleListFilter):
    """A yes-or-no filter: whether `condition` holds."""

    condition: Q | Exists

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entity]) -> QuerySet[Entity]:
        wanted = {"yes": self.condition, "no": ~self.condition}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


class HasChildrenFilter(YesNoFilter):
    title = "has children"
    parameter_name = "has_children"
    condition = ~Q(child_entity_codes=[])


class HasParentsFilter(YesNoFilter):
    title = "is a child"
    parameter_name = "is_child"
    code = Func(OuterRef("code"), function="to_jsonb", output_field=JSONField())
    condition = Exists(Entity.objects.filter(child_entity_codes__contains=code))
