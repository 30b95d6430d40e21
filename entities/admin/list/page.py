"""The list of entity types: its filters and order."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Func, JSONField, OuterRef, Q, QuerySet
from django.db.models.functions import Collate
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.views import ChangeList

from cache_layer import deadline
from cache_layer.inspect import EntryState
from entities.admin.confirmation import BULK_BUDGET_MS
from entities.admin.links import RejectInvalidFilters
from entities.admin.list.actions import activate_types
from entities.admin.list.columns import Columns, attach_to_rows, draw_cache_state, draw_switch
from entities.admin.list.ordering import reorder_entities
from entities.admin.pages import log_changed
from entities.changes import ChangedMeanwhile
from entities.codes import is_code
from entities.fields import SEARCHED
from entities.lookups import ENTITY
from entities.models import BY_CODE, Entity


class YesNoFilter(SimpleListFilter):
    """A yes-or-no filter: whether `condition` holds."""

    condition: Q | Exists

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entity]) -> QuerySet[Entity]:
        wanted = {"yes": self.condition, "no": ~self.condition}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


class HasChildrenFilter(YesNoFilter):
    title = "has children"
    parameter_name = "has_children"
    condition = ~Q(child_entity_codes=[])


class HasParentsFilter(YesNoFilter):
    title = "is a child"
    parameter_name = "is_child"
    code = Func(OuterRef("code"), function="to_jsonb", output_field=JSONField())
    condition = Exists(Entity.objects.filter(child_entity_codes__contains=code))


class OneOrder(ChangeList):  # type: ignore[misc] # unfold has no types
    """Sorts text by code point, as Python does, in any database."""

    def get_ordering_field(self, field_name: Any) -> Any:
        found = super().get_ordering_field(field_name)
        return Collate(found, "C") if found in ("code", "label") else found


class ListPage(RejectInvalidFilters, Columns):
    """The list, which refreshes itself and can be reordered."""

    list_display = ("name", "code", "children", "active", "cache", "changed")
    list_display_links = ("name",)
    list_filter = ("active_flag", HasChildrenFilter, HasParentsFilter)
    list_fullwidth = True
    list_before_template = "admin/entities/entity/list_state.html"
    ordering = ("display_order", BY_CODE)
    ordering_field = "display_order"
    hide_ordering_field = True
    search_fields = SEARCHED
    search_help_text = "Search in labels, plurals and codes"

    class Media:
        js = (Script("entities/list.js", defer=True),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OneOrder

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Like Django's; rows carry their cache state and newest version, read in bulk."""
        changelist: Any = super().get_changelist_instance(request)
        if request.method == "POST":
            return changelist  # no rows are shown
        attach_to_rows(changelist.result_list, may_change=self.has_change_permission(request))
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            deadline.restart(BULK_BUDGET_MS)
            if "_save" in request.POST:
                return self._save_order(request)
        return super().changelist_view(request, extra_context)

    def _save_order(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        seen = request.POST.get("_order_seen", "").split(",")
        try:
            changed = reorder_entities(request.POST.getlist("_order"), seen=seen)
        except ChangedMeanwhile:
            said = "Somebody else has reordered these entity types meanwhile. This is their order; yours was not saved."
            self.message_user(request, said, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        log_changed(request, changed, "Display order")
        done = "The new order is saved." if changed else "The order is as it was."
        self.message_user(request, done, messages.SUCCESS if changed else messages.INFO)
        return HttpResponseRedirect(request.get_full_path())

    @method_decorator(never_cache)
    def cache_states_view(self, request: HttpRequest) -> HttpResponse:
        """The current state in Redis of the rows, as the list's cells; polled by the page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        states = EntryState.of(ENTITY, filter(is_code, request.POST.getlist("_order")))
        return HttpResponse("".join(draw_cache_state(code, state) for code, state in states.items()))

    @method_decorator(require_POST)
    def activate_view(self, request: HttpRequest) -> HttpResponse:
        """Activate the entity type `code`; its switch as it is then. Deactivating asks for confirmation on a page."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        entity = get_object_or_404(Entity, code=request.POST.get("code"))
        activate_types(request, Entity.objects.filter(pk=entity.pk))
        entity.active_flag = True
        return HttpResponse(draw_switch(entity, may_change=True))
