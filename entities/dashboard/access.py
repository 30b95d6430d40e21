"""Who may view the cache, and who may operate it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

View = Callable[..., HttpResponseBase]


def for_viewers(view: View) -> View:
    """Restrict to staff with the permission; others get 403, anonymous users the login page. Read-only."""
    return _staff_with("entities.view_cache", require_safe(view))


def for_operators(view: View) -> View:
    """Restrict to staff with the permission to operate the cache; POST only, with a CSRF token."""
    return _staff_with("entities.operate_cache", require_POST(view))


def page_context(request: HttpRequest, title: str) -> dict[str, Any]:
    """The context of every admin page."""
    request.current_app = admin.site.name
    return {**admin.site.each_context(request), "title": title}


def _staff_with(permission: str, view: View) -> View:
    guarded: View = permission_required(permission, raise_exception=True)(view)
    return admin.site.admin_view(guarded)
