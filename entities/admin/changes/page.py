"""The page of all changes, with filters by time, person, origin and entity type."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from entities.admin.changes.feed import read_feed
from entities.admin.pages import ModelAdmin, show_page
from entities.history import ACTS, FIRST, ORIGINS, WHAT_HAPPENED, all_events
from entities.texts import ComposedFormField

ACTS_PER_PAGE = 25
CHANGES_EACH = 4
SPANS = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}
LABELS = {label: said for label, said in WHAT_HAPPENED.items() if label != FIRST}


class ChangesForm(forms.Form):
    """`?since=day&person=ann&source=sql&type=task&what=delete&until=2026-11-30`; all are optional."""

    type = ComposedFormField(required=False, max_length=100, label="Type")
    person = forms.CharField(required=False, max_length=150, label="Person or role")
    source = forms.ChoiceField(required=False, choices={"": "Anywhere", **ORIGINS, "sql": "SQL"}, label="From")
    what = forms.ChoiceField(required=False, choices={"": "Anything", **LABELS, **ACTS}, label="What")
    since = forms.ChoiceField(
        required=False, choices={"": "Any time", **{name: said for name, (said, _) in SPANS.items()}}, label="When"
    )
    until = forms.DateField(required=False, label="Until", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    older_than = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)

    def select(self, events: QuerySet[Any]) -> QuerySet[Any]:
        """The matching events; invalid filters are ignored."""
        self.full_clean()
        asked = self.cleaned_data
        if code := asked.get("type"):
            events = events.filter(Q(code=code.lower()) | Q(label__icontains=code))
        if person := asked.get("person"):
            in_sql = Q(database_role__icontains=person) | Q(application_name__icontains=person)
            # Every version has a database role; for changes made through us it is our own.
            events = events.filter(Q(pgh_context__username__icontains=person) | in_sql & Q(pgh_context__isnull=True))
        if source := asked.get("source"):
            past_us = ~Q(pgh_context__source__in=[*ORIGINS]) | Q(pgh_context__source=None)
            events = events.filter(past_us if source == "sql" else Q(pgh_context__source=source))
        if what := asked.get("what"):
            events = events.filter(Q(pgh_label=what) if what in LABELS else Q(pgh_context__act=what))
        if since := asked.get("since"):
            events = events.filter(pgh_created_at__gte=timezone.now() - SPANS[since][1])
        if until := asked.get("until"):
            events = events.filter(pgh_created_at__date__lte=until)
        return events


class ChangesPage(ModelAdmin):
    """`changes/`, with its filters in the URL."""

    def changes_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        form = ChangesForm(request.GET)
        events = form.select(all_events().all())
        before = form.cleaned_data.get("older_than") or 0
        acts, older = read_feed(events, acts=ACTS_PER_PAGE, changes_each=CHANGES_EACH, older_than=before)
        context: dict[str, Any] = {
            "title": "Changes",
            "form": form,
            "acts": acts,
            "is_filtered": {*form.changed_data} - {"older_than"},
            "before": before,
            "older": older,
        }
        return show_page(self, request, "changes", context, status=400 if form.errors else 200)
