"""The read-only audit log of the cache: operations add its rows, nobody edits them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from entities.admin.links import RejectInvalidFilters
from entities.models import CacheOperation


@admin.register(CacheOperation)
class CacheOperationAdmin(RejectInvalidFilters):
    """Who did what with the cache, when, from where and why."""

    list_display = ("done_ts", "username", "origin", "operation", "shown_subject", "reason", "result")
    list_filter = ("operation", "origin", "done_ts", "username")
    list_fullwidth = True
    search_fields = ("username", "subject", "reason", "result")
    search_help_text = "Search in users, codes, reasons and results"
    date_hierarchy = "done_ts"
    actions = None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Audit log of the cache"} | (extra_context or {}))

    @admin.display(description="Subject", ordering="subject")
    def shown_subject(self, operation: CacheOperation) -> str:
        return operation.subject if len(operation.subject) <= 60 else f"{operation.subject[:57]}..."

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("entities.view_cache")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission
