"""The history of one entity type: its versions, the difference between any two, and restoring one."""

from __future__ import annotations

from typing import Any

import pghistory
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format

from entities.admin.history.differences import (
    ALL_FIELDS,
    RECORDED,
    compare_documents,
    compare_fields,
)
from entities.admin.history.restoring import describe_problems, mark_of, problems_of, restore_version
from entities.admin.history.versions import History, Version, find_entity, undo_url_of
from entities.admin.pages import MOMENT, ModelAdmin, show_page
from entities.changes import ChangedMeanwhile
from entities.fields import SETTABLE
from entities.models import Entity

VERSIONS_PER_PAGE = 25


class HistoryPage(ModelAdmin):
    """Three pages, available for deleted entity types too."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Every version with what it changed, newest first."""
        entity = self._viewed(request, object_id)
        history = History(unquote(object_id))
        if entity is None and not history.ids:
            raise Http404("There is no such entity type, and there never was.")
        page = Paginator(history.ids, VERSIONS_PER_PAGE).get_page(request.GET.get("p"))
        shown = list(page.object_list)
        new, old = _chosen(request, history)
        before = [history.before(shown[-1])] if shown else []
        versions = history.load({*shown, new, old, *before})
        rows = [id_ for id_ in versions if id_ in {*shown, new, old}]
        context = {
            "title": f"History of {history.code}",
            "rows": [
                _row(versions, id_, history.before(id_)) if id_ in shown else {"version": versions[id_]} for id_ in rows
            ],
            "page": page,
            "page_numbers": list(page.paginator.get_elided_page_range(page.number)),
            "new": new,
            "old": old,
            "restorable": _restorable(history, entity) if self._may_restore(request, entity) else (),
        }
        return self._answer(request, "object_history", history, entity, context | (extra_context or {}))

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Any two versions side by side, the older one first."""
        entity = self._viewed(request, object_id)
        history = History(unquote(object_id))
        ids = sorted(_id_of(request.GET.get(name)) for name in ("old", "new"))
        versions = history.load(ids)
        if any(id_ not in versions for id_ in ids):
            raise Http404("This entity type has no such version.")
        old, new = (versions[id_] for id_ in ids)
        earlier, later = history.before(old.id), history.after(new.id)
        context = {
            "title": f"Versions {old.number} and {new.number} of {history.code}",
            "sides": [old, new],
            "differences": compare_fields(old.row, new.row, ALL_FIELDS),
            "lines": compare_documents(old.row, new.row),
            "earlier": f"?old={earlier}&new={old.id}" if earlier else "",
            "later": f"?old={new.id}&new={later}" if later else "",
            "restorable": _restorable(history, entity) if self._may_restore(request, entity) else (),
        }
        return self._answer(request, "compare_versions", history, entity, context)

    def restore_view(self, request: HttpRequest, object_id: str, version_id: int) -> HttpResponse:
        """Preview a restore; POST performs it, unless somebody else changed the type meanwhile."""
        if not self._may_restore(request, self._viewed(request, object_id)):
            raise PermissionDenied
        history = History(unquote(object_id))
        version = history.load([version_id]).get(version_id)
        if version is None:
            raise Http404("This entity type has no such version.")
        problems: list[str] = []
        changed_meanwhile = False
        if request.method == "POST":
            try:
                return self._restore(request, version, seen=request.POST.get("seen", ""))
            except ChangedMeanwhile:
                changed_meanwhile = True
            except ValidationError as error:
                problems = describe_problems(error)
        entity = find_entity(history.code)
        differences = compare_fields(entity, version.row, SETTABLE)
        context = {
            "title": f"Restore version {version.number} of {history.code}",
            "version": version,
            "differences": differences,
            "count": sum(difference.differs for difference in differences),
            "problems": problems or problems_of(version),
            "changed_meanwhile": changed_meanwhile,
            "seen": mark_of(entity),
        }
        return self._answer(request, "restore_version", history, entity, context)

    def _restore(self, request: HttpRequest, version: Version, *, seen: str) -> HttpResponse:
        with pghistory.context(act="restore"), transaction.atomic():
            entity = find_entity(version.code)
            changed = [each.name for each in compare_fields(entity, version.row, SETTABLE) if each.differs]
            if changed:
                restored = restore_version(version, seen=seen)
                done = f"Restored version {version.number}: {', '.join(changed)}."
                (self.log_change if entity else self.log_addition)(request, restored, done)
        made = date_format(version.made_ts, MOMENT)
        if changed:
            what = ", ".join(changed) if entity else "it is there again, with everything it had"
            text = f"{version.row.label} was restored to version {version.number} of {made}: {what}."
            self.message_user(request, text, messages.SUCCESS, extra_tags=undo_url_of([version.code]))
        else:
            text = f"{version.row.label} is already as in version {version.number} of {made}: nothing was changed."
            self.message_user(request, text, messages.INFO)
        return HttpResponseRedirect(reverse("admin:entities_entity_history", args=[quote(version.code)]))

    def _viewed(self, request: HttpRequest, object_id: str) -> Entity | None:
        entity = find_entity(unquote(object_id))
        if not self.has_view_or_change_permission(request, entity):
            raise PermissionDenied
        return entity

    def _may_restore(self, request: HttpRequest, entity: Entity | None) -> bool:
        return self.has_change_permission(request, entity) if entity else self.has_add_permission(request)

    def _answer(
        self, request: HttpRequest, template: str, history: History, entity: Entity | None, context: dict[str, Any]
    ) -> HttpResponse:
        common = {
            "object": entity,
            "opts": self.opts,
            "code": history.code,
            "is_deleted": entity is None,
            "newest": history.ids[0] if history.ids else None,
            "history_url": reverse("admin:entities_entity_history", args=[quote(history.code)]),
            "compare_url": reverse("admin:entities_entity_compare", args=[quote(history.code)]),
        }
        return show_page(self, request, template, common | context)


def _row(versions: dict[int, Version], id_: int, before: int | None) -> dict[str, Any]:
    """A version with the fields it changed."""
    version = versions[id_]
    old = versions[before].row if before and not version.is_start else None
    if version.is_deletion:
        return {"version": version, "changes": []}
    changes = compare_fields(old, version.row, RECORDED if old else SETTABLE)
    return {"version": version, "changes": [change for change in changes if change.differs]}


def _chosen(request: HttpRequest, history: History) -> tuple[int | None, int | None]:
    """The two versions to compare, newer first: those chosen, else the newest two."""
    default = dict(zip(("new", "old"), history.ids, strict=False))
    asked = {name: _id_of(request.GET.get(name)) for name in ("new", "old")}
    new, old = (asked[name] if asked[name] in history else default.get(name) for name in ("new", "old"))
    return new, old


def _restorable(history: History, entity: Entity | None) -> list[int]:
    """All versions except the current one."""
    return history.ids[1:] if entity else history.ids


def _id_of(text: str | None) -> int:
    """The number in a query parameter; anything else is 0, which no version has."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0
