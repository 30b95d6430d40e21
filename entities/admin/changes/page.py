"""The page of all changes."""

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
        before = form.cleaned_data.get("older_than") or 0
        acts, older = read_feed(events, acts=ACTS_PER_PAGE, changes_each=CHANGES_EACH, older_than=before)
        asked = {
            name: sent for name, sent in request.GET.dict().items() if sent and name in {*form.fields} - {"older_than"}
        }
        context: dict[str, Any] = {
            "title": "Changes",
            "form": form,
            "acts": acts,
            "is_filtered": bool(asked),
            "older": f"?{urlencode(asked | {'older_than': str(older)})}" if older else "",
            "newest": f"?{urlencode(asked)}" if before else "",
            "may_add": self.has_add_permission(request),
        }
        return show_page(self, request, "changes", context, status=400 if form.errors else 200)
