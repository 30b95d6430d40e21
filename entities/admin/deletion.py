"""Deleting entity types, which others may list as children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.actions import delete_selected as confirm_and_delete
from django.db import IntegrityError, router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from cache_layer.writes import writing
from entities.admin.links import change_url
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Entity]
else:
    from unfold.admin import ModelAdmin


class Deletion(ModelAdmin):
    """One or several; what is still listed elsewhere is protected, and the page says by whom."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, list[Any]]:
        """As Django's; entity types that others list as a child are protected."""
        objects, counts, missing_permissions, protected = super().get_deleted_objects(objs, request)
        return objects, counts, missing_permissions, [*protected, *_why_protected(list(objs))]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, *args, **kwargs)
        except IntegrityError:  # it became a child meanwhile: now the page says of what
            return super().delete_view(request, *args, **kwargs)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entity]) -> None:
        """Delete them all, though they list each other; their last versions keep what they listed."""
        alias = router.db_for_write(Entity)
        codes = list(queryset.values_list("code", flat=True))
        with writing([*((ENTITY, code) for code in codes), (ENTITY_TYPES, "")], using=alias):
            rows = Entity.objects.using(alias).filter(code__in=codes)
            list(rows.select_for_update().order_by("code").values_list("code"))  # in one order, against deadlocks
            # Django's own `delete` takes a hundred rows at a time, which may be listed by the next hundred.
            rows._raw_delete(alias)

    @admin.action(description="Delete", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        try:
            with transaction.atomic():
                return confirm_and_delete(self, request, queryset)
        except IntegrityError:  # one became a child meanwhile: now the page says of what
            return confirm_and_delete(self, request, queryset)


def _why_protected(entities: Sequence[Entity]) -> list[SafeString]:
    """A line for each of `entities` that others list as a child, naming those."""
    codes = [entity.code for entity in entities]
    parents = Entity.objects.filter(child_entity_codes__has_any_keys=codes).exclude(code__in=codes)
    lines = []
    for entity in entities:
        names = [(change_url(parent.code), parent) for parent in parents if entity.code in parent.child_entity_codes]
        if names:
            links = format_html_join(", ", '<a class="text-link" href="{}">{}</a>', names)
            lines.append(format_html("{} is a child of: {}", entity, links))
    return lines
