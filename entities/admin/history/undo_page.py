"""Undoes an act: immediately if nothing is in the way, else after saying what stays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from cache_layer import deadline
from entities.admin.confirmation import BULK_BUDGET_MS, count_types
from entities.admin.history.differences import compare_fields
from entities.admin.history.reversals import Kind, Reversal
from entities.admin.history.undoing import preview_undoing, undo
from entities.admin.history.versions import Version, undo_url, undo_url_of
from entities.admin.pages import ModelAdmin, show_page
from entities.changes import ChangedMeanwhile
from entities.fields import SETTABLE
from entities.history import FIRST, all_events
from entities.models import Entity

SAYS = {
    Kind.CHANGE: "will be changed back",
    Kind.ADD: "will be added again",
    Kind.REMOVE: "will be removed",
    Kind.NOTHING: "stays as it is",
}


class UndoPage(ModelAdmin):
    """`undo/123/` undoes the whole act that made version 123; with `?alone=1` only that version."""

    def undo_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        event = all_events().filter(pgh_id=event_id).exclude(pgh_label=FIRST).first()
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if event is None:
            raise Http404("There is no such change.")
        deadline.restart(BULK_BUDGET_MS)
        alone = bool(request.GET.get("alone"))
        reversals = preview_undoing(event, alone=alone)
        may_undo = self._may_undo(request, reversals)
        changed_meanwhile = False
        if request.method == "POST" and may_undo:
            in_the_way = any(each.stays for each in reversals)
            if "confirmed" in request.POST or not in_the_way:
                try:
                    return self._undo(request, event, alone=alone)
                except ChangedMeanwhile:
                    changed_meanwhile, reversals = True, preview_undoing(event, alone=alone)
        context = {
            "title": "Undo this change",
            "version": Version(0, event),
            "rows": [_row(each) for each in reversals],
            "count": sum(each.kind is not Kind.NOTHING for each in reversals),
            "staying": sum(bool(each.stays) for each in reversals),
            "may_undo": may_undo,
            "changed_meanwhile": changed_meanwhile,
        }
        refused = request.method == "POST" and not may_undo
        return show_page(self, request, "undo", context, status=403 if refused else 200)

    def _undo(self, request: HttpRequest, event: Any, *, alone: bool) -> HttpResponse:
        done = [each for each in undo(event, alone=alone) if each.kind is not Kind.NOTHING]
        for each in done:
            self._log(request, each)
        text = f"Undone: {count_types(len(done))} {'is' if len(done) == 1 else 'are'} as before."
        url = undo_url_of([each.code for each in done])
        level = messages.SUCCESS if done else messages.INFO
        self.message_user(request, text if done else "There was nothing left to undo.", level, extra_tags=url)
        return HttpResponseRedirect(reverse("admin:entities_entity_changelist"))

    def _log(self, request: HttpRequest, reversal: Reversal) -> None:
        row = reversal.now or Entity(code=reversal.code, label=reversal.label)
        if reversal.kind is Kind.REMOVE:
            self.log_deletions(request, [row])  # type: ignore[arg-type] # it only goes through them
        else:
            log = self.log_addition if reversal.kind is Kind.ADD else self.log_change
            log(request, row, "Undone.")

    def _may_undo(self, request: HttpRequest, reversals: list[Reversal]) -> bool:
        """Adding and deleting in an undo need the same permissions as doing so directly."""
        kinds = {each.kind for each in reversals}
        needed = {
            Kind.CHANGE: self.has_change_permission,
            Kind.ADD: self.has_add_permission,
            Kind.REMOVE: self.has_delete_permission,
        }
        return all(may(request) for kind, may in needed.items() if kind in kinds)


def _row(reversal: Reversal) -> dict[str, Any]:
    fields = [name for name in SETTABLE if name in reversal.values] if reversal.kind is Kind.CHANGE else []
    return {
        "reversal": reversal,
        "says": SAYS[reversal.kind],
        "differences": compare_fields(reversal.now, SimpleNamespace(**reversal.values), fields),
        "nothing": reversal.kind is Kind.NOTHING,
        "alone_url": f"{undo_url(reversal.event_id)}?alone=1",
    }
