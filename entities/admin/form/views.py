"""Endpoints for the form's scripts: icons, entity types to choose from, and the preview."""

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, When
from django.db.models.functions import Collate
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from entities.admin.form.conflicts import describe_author
from entities.admin.form.editors import note_editor
from entities.admin.form.previews import preview_form
from entities.admin.pages import ModelAdmin, get_existing
from entities.admin.widgets import labels_of
from entities.codes import is_code
from entities.models import BY_CODE, Entity
from entities.texts import compose
from entities.words.icons import icon_options

MAX_SUGGESTIONS = 20
ICONS_SECONDS = 365 * 24 * 3600
"""The icons' URL contains their version, so browsers may cache them."""


class FormViews(ModelAdmin):
    """Small responses for the form's scripts."""

    @method_decorator(require_safe)
    def icons_view(self, request: HttpRequest) -> HttpResponse:
        """All icons as options, for the field's dialog."""
        icons = icon_options()
        headers = {"Cache-Control": f"private, max-age={ICONS_SECONDS}, immutable", "ETag": f'"{icons.version}"'}
        if icons.version in request.headers.get("If-None-Match", ""):  # whatever content coding was sent
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(icons.payload, headers=headers)

    @method_decorator(require_safe)
    def children_view(self, request: HttpRequest) -> HttpResponse:
        """The first entity types with `q` in their label or code, except those in `without`."""
        if not (self.has_view_or_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        without = [code for code in request.GET.get("without", "").split(",") if is_code(code)]
        found = list(search_types(request.GET.get("q", ""), without)[: MAX_SUGGESTIONS + 1])
        return JsonResponse({"types": labels_of(found[:MAX_SUGGESTIONS]), "more": len(found) > MAX_SUGGESTIONS})

    @method_decorator([require_safe, never_cache])
    def editors_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Who else has the form open, and who changed the type since `seen`, as HTML; polled by the page."""
        entity = get_existing(self, request, object_id, change=True)
        changed = request.GET.get("seen", "") != entity.modified_ts.isoformat()
        context = {
            "editors": note_editor(entity.code, request.user),
            "changed_by": describe_author(entity.code) if changed else "",
        }
        return render(request, "admin/entities/entity/editors.html", context)

    @method_decorator(require_POST)
    def preview_view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """The preview of the submitted values as HTML; nothing is saved."""
        entity = get_existing(self, request, object_id, change=True) if object_id else None
        if not (entity or self.has_add_permission(request)):
            raise PermissionDenied
        form = self.get_form(request, entity, change=entity is not None)(request.POST, instance=entity)
        return render(request, "admin/entities/entity/preview.html", {"preview": preview_form(form)})


def search_types(text: str, without: Sequence[str]) -> QuerySet[Entity]:
    """Entity types with `text` in label or code; prefix matches first."""
    text = str(compose(text.replace("\x00", "").strip()))
    begins = Q(label__istartswith=text) | Q(code__startswith=text)
    types: QuerySet[Entity] = Entity.objects.filter(Q(label__icontains=text) | Q(code__icontains=text))
    place = Case(When(begins, then=0), default=1)
    return types.exclude(code__in=without).order_by(place, Collate("label", "C"), BY_CODE)
