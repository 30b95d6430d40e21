"""Hides and deletes, wherever it was requested: the list's switch and actions, the form, the map."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from entities.admin.confirmation import ask, is_confirmed
from entities.admin.pages import ModelAdmin, log_changed
from entities.admin.removal.consequences import Consequences, Way, name_types
from entities.changes import ListedByParents, deactivate_entities, purge_entities
from entities.models import Entity


class Removal(ModelAdmin):
    """One page, also shown as a dialog, for one type or many."""

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._remove(request, queryset, delete=False)

    @admin.action(description="Delete", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        return self._remove(request, queryset, delete=True)

    def deactivate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._remove_one(request, object_id, delete=False)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._remove_one(request, object_id, delete=True)

    def _remove_one(self, request: HttpRequest, object_id: str, *, delete: bool) -> HttpResponse:
        entity = self.get_object(request, unquote(object_id))
        may = self.has_delete_permission(request, entity) if delete else self.has_change_permission(request, entity)
        if not may:
            raise PermissionDenied
        if entity is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return, attr-defined]
        chosen = Entity.objects.filter(pk=entity.pk)
        back = _page_before(request)
        return self._remove(request, chosen, delete=delete, back=back) or HttpResponseRedirect(back)

    def _remove(
        self, request: HttpRequest, chosen: QuerySet[Entity], *, delete: bool, back: str = ""
    ) -> HttpResponse | None:
        """The confirmation page; None once a confirmed request has been carried out."""
        may = {"may_change": self.has_change_permission(request), "may_delete": self.has_delete_permission(request)}
        consequences = Consequences(list(chosen), delete=delete)
        question = consequences.question(**may)
        if is_confirmed(request) and request.POST.get("way") in [button.way for button in question.buttons]:
            try:
                self._go(request, Way(request.POST["way"]), consequences.going)
                return None
            except ListedByParents:  # somebody listed one since the page was made: shown again, it says who
                question = Consequences(list(chosen), delete=delete).question(**may)
        return ask(self, request, question, back=back)

    def _go(self, request: HttpRequest, way: Way, entities: Sequence[Entity]) -> None:
        done, codes = entities, [entity.code for entity in entities]
        with transaction.atomic():
            if way.deletes:
                purge_entities(codes, detach=way.detaches)
                self.log_deletions(request, entities)  # type: ignore[arg-type] # it only goes through them
            else:
                done = deactivate_entities(codes, detach=way.detaches)
                log_changed(request, done, "Active")
        them = "it" if len(done) == 1 else "them"
        out = f", and taken out of all lists that had {them}" if way.detaches else ""
        said = f"{name_types(done)}: {'deleted' if way.deletes else 'deactivated'}{out}."
        self.message_user(request, said, messages.SUCCESS if done else messages.INFO)


def _page_before(request: HttpRequest) -> str:
    """Where to go afterwards or on cancel: the page that asked, if it is ours, else the list."""
    before = request.POST.get("next") or request.headers.get("HX-Current-URL", "")
    own = url_has_allowed_host_and_scheme(before, {request.get_host()}, require_https=request.is_secure())
    return before if own else reverse("admin:entities_entity_changelist")
