"""The admin of entity types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_and_delete
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.forms import BaseModelFormSet, ModelForm, modelformset_factory
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from redis.exceptions import RedisError

from cache_layer.connection import is_redis_healthy
from cache_layer.writes import hold_entries
from entities.cache_entries import describe_warmed, drop_entries, warm_entries
from entities.filters import HasChildrenFilter, HasParentsFilter
from entities.forms import EntityForm
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from entities.widgets import draw_icon

if TYPE_CHECKING:
    EntityModelForm = ModelForm[Entity]
    EntityFormSet = BaseModelFormSet[Entity, EntityModelForm]
    ModelAdmin = admin.ModelAdmin[Entity]
else:
    from unfold.admin import ModelAdmin

    EntityModelForm, EntityFormSet = ModelForm, BaseModelFormSet

CACHE_DOWN = "Redis does not answer, so {}. Readers get entity types from the database meanwhile; try again."


class ReorderFormSet(EntityFormSet):
    """The list's editable column. Every changed row is held at once, so saving many of them waits only once."""

    def hold_changed_rows(self) -> None:
        changed = [(ENTITY, form.instance.pk) for form in self.forms if form.has_changed()]
        hold_entries([*changed, (ENTITY_TYPES, "")], using=self.get_queryset().db)

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.formset = self


@admin.register(Entity)
class EntityAdmin(ModelAdmin):
    """
    Entity types: list, form and actions.

    The cache is kept right by the model's own signals and QuerySet; nothing here has to think of it.
    """

    form = EntityForm
    list_display = ("name", "code", "children", "active_flag", "display_order", "modified_ts")
    list_display_links = ("name",)
    list_editable = ("display_order",)
    list_filter = ("active_flag", HasChildrenFilter, HasParentsFilter)
    list_fullwidth = True
    search_fields = ("code", "label", "label_plural")
    search_help_text = "Search in labels, plurals and codes"
    actions = ("activate", "deactivate", "warm_cache", "invalidate_cache", "delete_selected")
    fieldsets = (
        (None, {"fields": ("label", "label_plural", "code", "icon", "child_entity_codes")}),
        ("Where it is shown", {"fields": ("active_flag", "display_order", "parents")}),
        ("More", {"fields": ("entity_type", "created_ts", "modified_ts"), "classes": ("collapse",)}),
    )
    warn_unsaved_form = True

    class Media:
        css = {"all": ("entities/admin.css",)}  # noqa: RUF012 - Django's own way

    # --- List ---------------------------------------------------------------------------------------------------------

    @admin.display(description="Label", ordering="label")
    def name(self, entity: Entity) -> SafeString:
        return format_html('<span class="entity-name">{}{}</span>', draw_icon(entity.icon), entity.label)

    @admin.display(description="Children")
    def children(self, entity: Entity) -> SafeString:
        return _chips(entity.child_entity_codes)

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> type[EntityFormSet]:
        return modelformset_factory(
            self.model,
            self.get_changelist_form(request, form=ModelForm),
            formset=ReorderFormSet,
            extra=0,
            fields=self.list_editable,
            formfield_callback=lambda field, **options: self.formfield_for_dbfield(field, request=request, **options),
            **kwargs,
        )

    # --- Form ---------------------------------------------------------------------------------------------------------

    @admin.display(description="Shown inside")
    def parents(self, entity: Entity) -> SafeString:
        if not entity.pk:
            return SafeString("-")
        return _chips(Entity.objects.filter(child_entity_codes__contains=[entity.code]).values_list("code", flat=True))

    def get_readonly_fields(self, request: HttpRequest, obj: Entity | None = None) -> tuple[str, ...]:
        return ("parents", "created_ts", "modified_ts", *(("code",) if obj else ()))

    def get_fieldsets(self, request: HttpRequest, obj: Entity | None = None) -> Any:
        """The form to add one leaves out what only an existing one has."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj:
            return fieldsets
        absent = ("parents", "created_ts", "modified_ts")
        return [
            (title, {**options, "fields": tuple(field for field in options["fields"] if field not in absent)})
            for title, options in fieldsets
        ]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            # Somebody removed a child, or took the code, since the form was checked: checked again, it says so.
            return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Entity, form: Any, change: bool) -> None:
        """Save the fields that were edited, so that what others changed meanwhile stays."""
        if not change:
            obj.save(force_insert=True)  # else Django would overwrite a row that somebody else has just added
        elif form.changed_data:
            if formset := getattr(form, "formset", None):
                formset.hold_changed_rows()
            obj.save(update_fields=[*form.changed_data, "modified_ts"])

    # --- Deletion -----------------------------------------------------------------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, list[Any]]:
        """As Django's; entity types that others list as a child are protected."""
        objects, counts, missing_permissions, protected = super().get_deleted_objects(objs, request)
        return objects, counts, missing_permissions, [*protected, *_why_protected(list(objs))]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, *args, **kwargs)
        except IntegrityError:  # it became a child meanwhile: now the page says of what
            return super().delete_view(request, *args, **kwargs)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entity]) -> None:
        """Delete them all, in whatever order the database takes them, though they list each other."""
        with transaction.atomic():
            queryset.exclude(child_entity_codes=[]).update(child_entity_codes=[])
            queryset.delete()

    @admin.action(description="Delete", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse | None:
        try:
            with transaction.atomic():
                return confirm_and_delete(self, request, queryset)
        except IntegrityError:  # one became a child meanwhile: now the page says of what
            return confirm_and_delete(self, request, queryset)

    # --- Actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> None:
        self._switch(request, queryset, active=True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Entity]) -> None:
        self._switch(request, queryset, active=False)

    @admin.action(description="Invalidate cache", permissions=["change"])
    def invalidate_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> None:
        codes = _codes(queryset)
        try:
            drop_entries(codes)
        except RedisError:
            self.message_user(request, CACHE_DOWN.format("nothing was invalidated"), messages.ERROR)
            return
        self.message_user(
            request, f"Invalidated {_count(len(codes))}; the next reader of each asks the database.", messages.SUCCESS
        )

    @admin.action(description="Warm cache", permissions=["change"])
    def warm_cache(self, request: HttpRequest, queryset: QuerySet[Entity]) -> None:
        if not is_redis_healthy():
            self.message_user(request, CACHE_DOWN.format("nothing was cached"), messages.ERROR)
            return
        codes = _codes(queryset)
        counts = Counter(warmed for code, warmed in warm_entries(codes) if code in codes)
        self.message_user(request, f"Warmed {_count(len(codes))}: {describe_warmed(counts)}.", messages.SUCCESS)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Entity], *, active: bool) -> None:
        with transaction.atomic():
            to_switch = list(queryset.filter(active_flag=not active))
            changed = queryset.filter(pk__in=[entity.pk for entity in to_switch]).update(active_flag=active)
            if to_switch and request.user.pk:
                LogEntry.objects.log_actions(
                    request.user.pk, to_switch, CHANGE, change_message=[{"changed": {"fields": ["Active"]}}]
                )
        done = "Activated" if active else "Deactivated"
        self.message_user(request, f"{done} {_count(changed)}.", messages.SUCCESS if changed else messages.INFO)


def _codes(queryset: QuerySet[Entity]) -> list[str]:
    return list(queryset.values_list("code", flat=True))


def _count(number: int) -> str:
    return f"{number} entity type{pluralize(number)}"


def _link(code: str) -> str:
    return reverse("admin:entities_entity_change", args=[quote(code)])


def _chips(codes: Iterable[str]) -> SafeString:
    chips = format_html_join("", '<a class="entity-chip" href="{}">{}</a>', ((_link(code), code) for code in codes))
    return format_html('<span class="entity-chips">{}</span>', chips) if chips else SafeString("-")


def _why_protected(entities: Sequence[Entity]) -> list[SafeString]:
    """A line for each of `entities` that others list as a child, naming those."""
    codes = [entity.code for entity in entities]
    parents = Entity.objects.filter(child_entity_codes__has_any_keys=codes).exclude(code__in=codes)
    lines = []
    for entity in entities:
        names = [(_link(parent.code), parent) for parent in parents if entity.code in parent.child_entity_codes]
        if names:
            links = format_html_join(", ", '<a class="text-link" href="{}">{}</a>', names)
            lines.append(format_html("{} is a child of: {}", entity, links))
    return lines
