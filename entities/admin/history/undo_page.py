"""Undoes an act, at once if nothing is in the way; restores a version, by undoing what was done since."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format

from cache_layer import deadline
from entities.admin.confirmation import BULK_BUDGET_MS, count_types, is_confirmed
from entities.admin.history.differences import compare_fields, name_fields
from entities.admin.history.page import HistoryPage
from entities.admin.history.reversals import Kind, Reversal, Step, mark_of, plan_undoing
from entities.admin.history.undoing import events_of, steps_of, undo
from entities.admin.history.versions import undo_url_of_request
from entities.admin.pages import MOMENT, show_page
from entities.changes import ChangedMeanwhile
from entities.fields import SETTABLE
from entities.history import FIRST, all_events
from entities.models import Entity

CHANGED_MEANWHILE = {
    "undo": "Nothing was undone: somebody changed these entity types at the same moment."
    " Below is what undoing would do now.",
    "restore": "Nothing was restored: somebody changed this entity type since you opened this page."
    " Below is the difference to what it is now.",
}


class UndoPage(HistoryPage):
    """One page that says what will be done, and does it unless somebody was quicker."""

    def undo_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """`undo/123/` undoes the whole act that made version 123; with `?alone=1` only that version."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        event = all_events().filter(pgh_id=event_id).exclude(pgh_label=FIRST).first()
        if event is None:
            raise Http404("There is no such change.")
        deadline.restart(BULK_BUDGET_MS)
        steps = steps_of([event] if request.GET.get("alone") else events_of(event))
        in_list = reverse("admin:entities_entity_changelist")
        context = {"act": "undo", "title": "Undo this change", "version": event, "back_url": in_list}
        return self._set_back(request, steps, context)

    def restore_view(self, request: HttpRequest, object_id: str, version_id: int) -> HttpResponse:
        """Set every field but the code and the creation time to a version's; add a deleted type again."""
        history, common = self._read_history(request, object_id)
        if not common["may_restore"]:
            raise PermissionDenied
        for version in history.load([version_id]):
            now = common["object"]
            context = common | {
                "act": "restore",
                "title": f"Restore version {version.number} of {history.code}",
                "version": version,
                "back_url": common["history_url"],
                "differences": compare_fields(now, version, SETTABLE),
                "seen": mark_of(now),
            }
            step = Step(history.code, version, now, seen=request.POST.get("seen", ""))
            return self._set_back(request, [step], context)
        raise Http404("This entity type has no such version.")

    def message_user(
        self,
        request: HttpRequest,
        message: Any,
        level: Any = messages.INFO,
        extra_tags: str = "",
        fail_silently: bool = False,
    ) -> None:
        """Like Django's; messages about saved changes get an undo button."""
        extra_tags = undo_url_of_request() if level == messages.SUCCESS else extra_tags
        super().message_user(request, message, level, extra_tags, fail_silently)

    def _set_back(self, request: HttpRequest, steps: Sequence[Step], context: dict[str, Any]) -> HttpResponse:
        """The page; if sent, do it: restore all or nothing, and of an act undo what can be, once that is confirmed."""
        act, is_sent = context["act"], request.method == "POST"
        reversals = plan_undoing(steps, Entity.objects.in_bulk([step.code for step in steps]))
        may_undo = self._may_undo(request, reversals)
        stays = any(each.stays for each in reversals)
        if is_sent and may_undo and not (stays and (act == "restore" or not is_confirmed(request))):
            try:
                with transaction.atomic():
                    done = undo(steps, act=act)
                    self._log(request, done, context["version"])
            except ChangedMeanwhile:
                self.message_user(request, CHANGED_MEANWHILE[act], messages.WARNING)
                return HttpResponseRedirect(request.get_full_path())
            said = _say_restored(context["version"], done) if act == "restore" else _say_undone(done)
            self.message_user(request, said, messages.SUCCESS if done else messages.INFO)
            return HttpResponseRedirect(context["back_url"])
        count = sum(each.acts for each in reversals)
        context |= {"reversals": reversals, "count": count, "stays": stays, "may_undo": may_undo}
        return show_page(self, request, "undo", context, status=403 if is_sent and not may_undo else 200)

    def _log(self, request: HttpRequest, reversals: Iterable[Reversal], version: Any) -> None:
        undone = f"Restored version {version.number}" if hasattr(version, "number") else "Undone"
        for each in reversals:
            if each.kind is Kind.REMOVE:
                self.log_deletions(request, [each.now])  # type: ignore[arg-type] # it only goes through them
            else:
                log = self.log_addition if each.kind is Kind.ADD else self.log_change
                log(request, each.now, f"{undone}: {name_fields(each.values)}.")

    def _may_undo(self, request: HttpRequest, reversals: Iterable[Reversal]) -> bool:
        """Adding and deleting need the same permissions as doing so directly."""
        needed = {
            Kind.CHANGE: self.has_change_permission,
            Kind.ADD: self.has_add_permission,
            Kind.REMOVE: self.has_delete_permission,
        }
        return all(needed[kind](request) for kind in {each.kind for each in reversals} & needed.keys())


def _say_undone(done: Sequence[Reversal]) -> str:
    are = "is" if len(done) == 1 else "are"
    return f"Undone: {count_types(len(done))} {are} as before." if done else "There was nothing left to undo."


def _say_restored(version: Any, done: Sequence[Reversal]) -> str:
    to = f"version {version.number} of {date_format(version.pgh_created_at, MOMENT)}"
    if not done:
        return f"{version.label} is already as in {to}: nothing was changed."
    again = "it is there again, with everything it had"
    what = again if done[0].kind is Kind.ADD else name_fields(done[0].values)
    return f"{version.label} was restored to {to}: {what}."
