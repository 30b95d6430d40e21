"""The history of one entity type: its versions, and the difference between any two."""

from typing import Any

from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from entities.admin.history.differences import ALL_FIELDS, compare_documents, compare_fields
from entities.admin.history.versions import History, attach_changes
from entities.admin.pages import ModelAdmin, show_page
from entities.codes import is_code

VERSIONS_PER_PAGE = 25


class HistoryPage(ModelAdmin):
    """Two pages, available for deleted entity types too."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Every version with what it changed, newest first."""
        history, common = self._read_history(request, object_id)
        if not history.ids and common["is_deleted"]:
            raise Http404("There is no such entity type, and there never was.")
        page = Paginator(history.ids, VERSIONS_PER_PAGE).get_page(request.GET.get("p"))
        newest = dict(zip(("new", "old"), history.ids, strict=False))
        chosen = newest | _chosen(request, history)
        versions = history.load([*page.object_list, *chosen.values()])
        attach_changes([version for version in versions if version.pk in page.object_list])
        ages = [("old", "older", ">= chosen.new"), ("new", "newer", "<= chosen.old")] if len(history.ids) > 1 else []
        context = {
            "title": f"History of {history.code}",
            "versions": versions,
            "page": page,
            "page_numbers": list(page.paginator.get_elided_page_range(page.number)),
            "choices": [{"name": name, "age": age, "unless": unless, "id": chosen[name]} for name, age, unless in ages],
        }
        return show_page(self, request, "object_history", common | context | (extra_context or {}))

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Any two versions side by side, the older one first."""
        history, common = self._read_history(request, object_id)
        ids = sorted(_chosen(request, history).values())
        if len(ids) < 2:
            raise Http404("This entity type has no such version.")
        found = {version.pk: version for version in history.load(ids)}
        old, new = (found[id_] for id_ in ids)
        context = {
            "title": f"Versions {old.number} and {new.number} of {history.code}",
            "sides": [old, new],
            "differences": compare_fields(old, new, ALL_FIELDS),
            "lines": compare_documents(old, new),
            "earlier": [(id_, old.pk) for id_ in history.ids if id_ < old.pk][:1],
            "later": [(new.pk, id_) for id_ in history.ids if id_ > new.pk][-1:],
        }
        return show_page(self, request, "compare_versions", common | context)

    def _read_history(self, request: HttpRequest, object_id: str) -> tuple[History, dict[str, Any]]:
        """All versions, and what both pages need."""
        code = unquote(object_id)
        entity = self.get_object(request, code) if is_code(code) else None
        if not self.has_view_or_change_permission(request, entity):
            raise PermissionDenied
        if not is_code(code):
            raise Http404
        history = History(code)
        may_restore = self.has_change_permission(request, entity) if entity else self.has_add_permission(request)
        return history, {
            "object": entity,
            "opts": self.opts,
            "code": history.code,
            "is_deleted": entity is None,
            "now": history.ids[0] if history.ids and entity else None,
            "may_restore": may_restore,
            "history_url": reverse("admin:entities_entity_history", args=[quote(history.code)]),
        }


def _chosen(request: HttpRequest, history: History) -> dict[str, int]:
    """Those of the two versions to compare that the URL names, and that exist."""
    known = {str(id_): id_ for id_ in history.ids}
    return {name: known[sent] for name in ("new", "old") if (sent := request.GET.get(name)) in known}
