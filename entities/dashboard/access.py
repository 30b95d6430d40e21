"""Who may view the cache, and who may operate it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST, require_safe

View = Callable[..., HttpResponseBase]


def for_viewers(view: View) -> View:
    """Restrict to staff with the permission; others get 403, anonymous users the login page. Read-only."""
    return _staff_with("entities.view_cache", require_safe(view))


def for_operators(view: View) -> View:
    """Restrict to staff with the permission to operate the cache; POST only, with a CSRF token."""
    return _staff_with("entities.operate_cache", require_POST(view))


def show_page(request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> TemplateResponse:
    """One of the templates in `templates/admin/cache/`, as a page of the admin."""
    common = admin.site.each_context(request) | {"title": title}
    return TemplateResponse(request, f"admin/cache/{name}.html", common | context)


def _staff_with(permission: str, view: View) -> View:
    guarded: View = permission_required(permission, raise_exception=True)(view)
    return admin.site.admin_view(guarded)
