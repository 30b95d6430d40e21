"""Deleting entity types, which others may list as children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.actions import delete_selected as confirm_and_delete
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from entities.admin.links import change_url
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
        """Delete them all, in whatever order the database takes them, though they list each other."""
        with transaction.atomic():
            queryset.exclude(child_entity_codes=[]).update(child_entity_codes=[])
            queryset.delete()

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
