"""Undoes an act, at once if nothing is in the way; restores a version, by undoing what was done since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format

from cache_layer import deadline
from entities.admin.confirmation import BULK_BUDGET_MS, count_types, is_confirmed
from entities.admin.history.differences import compare_fields, name_fields
from entities.admin.history.reversals import Kind, Reversal, Step
from entities.admin.history.undoing import events_of, preview_undoing, steps_of, undo
from entities.admin.history.versions import History, undo_url_of
from entities.admin.pages import MOMENT, ModelAdmin, show_page
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


class UndoPage(ModelAdmin):
    """One page that says what will be done, and does it unless somebody was quicker."""

    def undo_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """`undo/123/` undoes the whole act that made version 123; with `?alone=1` only that version."""
        self._require_view(request)
        event = all_events().filter(pgh_id=event_id).exclude(pgh_label=FIRST).first()
        if event is None:
            raise Http404("There is no such change.")
        deadline.restart(BULK_BUDGET_MS)
        steps = steps_of([event] if request.GET.get("alone") else events_of(event))
        context = {
            "title": "Undo this change",
            "version": event,
            "back_url": reverse("admin:entities_entity_changelist"),
            "logged": "Undone",
        }
        return self._set_back(request, "undo", steps, context, _say_undone)

    def restore_view(self, request: HttpRequest, object_id: str, version_id: int) -> HttpResponse:
        """Set every field but the code and the creation time to a version's; add a deleted type again."""
        self._require_view(request)
        history = History(unquote(object_id))
        versions = history.load([version_id])
        if not versions:
            raise Http404("This entity type has no such version.")
        version, entity = versions[0], self.get_object(request, history.code)
        context = {
            "title": f"Restore version {version.number} of {history.code}",
            "version": version,
            "back_url": reverse("admin:entities_entity_history", args=[quote(history.code)]),
            "logged": f"Restored version {version.number}",
            "differences": compare_fields(entity, version, SETTABLE),
            "seen": _mark_of(entity),
        }
        steps = [Step(history.code, version, entity)]
        return self._set_back(request, "restore", steps, context, partial(_say_restored, version))

    def _set_back(
        self,
        request: HttpRequest,
        act: str,
        steps: Sequence[Step],
        context: dict[str, Any],
        say: Callable[[Sequence[Reversal]], str],
    ) -> HttpResponse:
        """The page; if sent, do it: restore all or nothing, and of an act undo what can be, once that is confirmed."""
        reversals = preview_undoing(steps)
        may_undo, is_sent = self._may_undo(request, reversals), request.method == "POST"
        stays = any(each.stays for each in reversals)
        if is_sent and may_undo and not (stays and (act == "restore" or not is_confirmed(request))):
            try:
                with transaction.atomic():
                    done = undo(steps, act=act, check=partial(_require_seen, request, context))
                    self._log(request, done, context["logged"])
            except ChangedMeanwhile:
                self.message_user(request, CHANGED_MEANWHILE[act], messages.WARNING)
                return HttpResponseRedirect(request.get_full_path())
            level = messages.SUCCESS if done else messages.INFO
            self.message_user(request, say(done), level, extra_tags=undo_url_of([each.step.code for each in done]))
            return HttpResponseRedirect(context["back_url"])
        context |= {
            "act": act,
            "rows": [_row(each) for each in reversals],
            "count": sum(each.kind is not Kind.NOTHING for each in reversals),
            "stays": stays,
            "may_undo": may_undo,
        }
        return show_page(self, request, "undo", context, status=403 if is_sent and not may_undo else 200)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied

    def _log(self, request: HttpRequest, reversals: Iterable[Reversal], said: str) -> None:
        for each in reversals:
            if each.kind is Kind.REMOVE:
                self.log_deletions(request, [each.now])  # type: ignore[arg-type] # it only goes through them
            else:
                log = self.log_addition if each.kind is Kind.ADD else self.log_change
                log(request, each.now, f"{said}: {name_fields(each.values)}.")

    def _may_undo(self, request: HttpRequest, reversals: Iterable[Reversal]) -> bool:
        """Adding and deleting need the same permissions as doing so directly."""
        needed = {
            Kind.CHANGE: self.has_change_permission,
            Kind.ADD: self.has_add_permission,
            Kind.REMOVE: self.has_delete_permission,
        }
        return all(needed[kind](request) for kind in {each.kind for each in reversals} & needed.keys())


def _row(reversal: Reversal) -> dict[str, Any]:
    fields = reversal.values if reversal.kind is Kind.CHANGE else ()
    return {
        "reversal": reversal,
        "differences": compare_fields(reversal.now, SimpleNamespace(**reversal.values), fields),
        "nothing": reversal.kind is Kind.NOTHING,
        "alone_url": f"{reverse('admin:entities_entity_undo', args=[reversal.step.event_id])}?alone=1",
    }


def _require_seen(request: HttpRequest, context: dict[str, Any], reversals: Iterable[Reversal]) -> None:
    """Restore a type only if it is still in the state that the user was shown."""
    if "seen" in context and any(_mark_of(each.now) != request.POST.get("seen") for each in reversals):
        raise ChangedMeanwhile


def _mark_of(entity: Entity | None) -> str:
    """Identifies a state of an entity type; empty for a deleted one."""
    return entity.modified_ts.isoformat() if entity else ""


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
