"""What the pages of entity types share: Unfold's base class as mypy is to see it, a response, an entry in the log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse

from entities.models import Entity

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin

MOMENT = "j M Y, H:i:s"
"""How pages write a time."""


def show_page(
    model_admin: ModelAdmin,
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> TemplateResponse:
    """A page from `templates/admin/entities/entity/`, beside the list; its title ends the breadcrumbs."""
    site = model_admin.admin_site
    request.current_app = site.name
    common = {**site.each_context(request), "model_admin": model_admin, "moment": MOMENT}
    return TemplateResponse(request, f"admin/entities/entity/{template}.html", common | context, status=status)


def get_existing(model_admin: ModelAdmin, request: HttpRequest, object_id: str, *, change: bool = False) -> Entity:
    """
    The entity type of an address, for those who may view or change it.

    Raises:
        PermissionDenied: this user may not.
        Http404: there is none.
    """
    entity: Entity | None = model_admin.get_object(request, unquote(object_id))
    allowed = model_admin.has_change_permission if change else model_admin.has_view_or_change_permission
    if not allowed(request, entity):
        raise PermissionDenied
    if entity is None:
        raise Http404
    return entity


def log_changed(request: HttpRequest, entities: Sequence[Entity], field: str) -> None:
    """Log in Django's admin log who changed this field of these."""
    if entities and request.user.pk:
        message = [{"changed": {"fields": [field]}}]
        LogEntry.objects.log_actions(request.user.pk, entities, CHANGE, change_message=message)
