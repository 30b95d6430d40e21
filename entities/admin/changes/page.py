"""The page of all changes."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.http import urlencode

from entities.admin.changes.feed import read_feed
from entities.admin.changes.filters import ChangesForm
from entities.admin.pages import ModelAdmin, show_page
from entities.history import all_events

ACTS_PER_PAGE = 25
CHANGES_EACH = 4


class ChangesPage(ModelAdmin):
    """`changes/`, with its filters in the URL."""

    def changes_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        form = ChangesForm(request.GET)
        events = form.select(all_events().all())
        page = read_feed(
            events,
            acts=ACTS_PER_PAGE,
            changes_each=CHANGES_EACH,
            older_than=form.cleaned_data.get("older_than") or 0,
        )
        named = [name for name in form.fields if name != "older_than"]
        asked = {name: request.GET[name] for name in named if request.GET.get(name)}
        context: dict[str, Any] = {
            "title": "Changes",
            "form": form,
            "page": page,
            "is_filtered": bool(asked),
            "older": f"?{urlencode(asked | {'older_than': str(page.older_than)})}" if page.older_than else "",
            "newest": f"?{urlencode(asked)}" if form.cleaned_data.get("older_than") else "",
            "may_add": self.has_add_permission(request),
        }
        return show_page(self, request, "changes", context, status=400 if form.errors else 200)
