"""The form of one entity type."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.db import IntegrityError, router
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from entities.admin.confirmation import Part, Question, ask
from entities.admin.form.cache_card import CacheCardViews, describe_entry
from entities.admin.form.conflicts import STARTED_FROM, FormOutdated, as_text, describe_author, describe_value
from entities.admin.form.editors import EVERY_SECONDS, forget_editor, note_editor
from entities.admin.form.form import EntityForm
from entities.admin.form.previews import preview_form
from entities.admin.form.views import FormViews
from entities.admin.links import draw_chips
from entities.admin.pages import ModelAdmin
from entities.admin.removal.consequences import Consequences
from entities.changes import writing_types
from entities.fields import SETTABLE, values_of
from entities.models import Entity
from entities.words.icons import describe_former

ATTEMPTS = 3
NAMES = ("label", "label_plural", "code")
SHOWN = ("active_flag", "hiding", "display_order", "parents")
MORE = ("entity_type", "created_ts", "modified_ts")
DETACH = "detach"
"""Submitted with the form to also take a hidden type out of the lists of others."""


class FormPage(FormViews, CacheCardViews, ModelAdmin):
    """Adding and changing one entity type."""

    form = EntityForm
    change_form_template = "admin/entities/entity/change_form.html"
    compressed_fields = False
    fieldsets = (
        (None, {"fields": (*NAMES, *(name for name in SETTABLE if name not in {*NAMES, *SHOWN, *MORE}))}),
        ("Where it is shown", {"fields": SHOWN}),
        ("More", {"fields": MORE, "classes": ("collapse",)}),
    )
    warn_unsaved_form = True

    @admin.display(description="Shown inside")
    def parents(self, entity: Entity) -> SafeString:
        listing = Entity.objects.filter(child_entity_codes__contains=[entity.code])
        parents = dict(listing.values_list("code", "active_flag"))
        return draw_chips(parents, inactive=[code for code, active in parents.items() if not active])

    @admin.display(description="If you deactivate it")
    def hiding(self, entity: Entity) -> SafeString:
        consequences = Consequences([entity], delete=False)
        shown = {"parts": consequences.parts(), "parents": consequences.parents}
        return render_to_string("admin/entities/entity/form_hiding.html", shown)

    def get_readonly_fields(self, request: HttpRequest, obj: Entity | None = None) -> tuple[str, ...]:
        return ("hiding", "parents", "created_ts", "modified_ts", *(("code",) if obj else ()))

    def get_fieldsets(self, request: HttpRequest, obj: Entity | None = None) -> Any:
        """Omit what does not apply: a new type has no parents, an inactive one cannot be hidden."""
        absent: tuple[str, ...] = () if obj else ("parents", "created_ts", "modified_ts")
        if not (obj and obj.active_flag and self.has_change_permission(request, obj)):
            absent += ("hiding",)
        return [
            (title, {**options, "fields": tuple(field for field in options["fields"] if field not in absent)})
            for title, options in self.fieldsets
        ]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        for _ in range(ATTEMPTS - 1):
            try:
                return super().changeform_view(request, *args, **kwargs)
            except IntegrityError:
                # Somebody removed a child or took the code after validation: validating again reports it.
                continue
            except FormOutdated as error:
                sent: Any = request.POST.copy()
                sent[STARTED_FROM] = error.started_from
                request.POST = sent  # what the form was made from, although it was not submitted
        return super().changeform_view(request, *args, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        form, entity = context["adminform"].form, context.get("original")
        context["conflict"] = getattr(form, "conflict", None)
        context["preview"] = preview_form(form.as_offered() if context["conflict"] else form)
        context["errors"] = None if context["conflict"] else context.get("errors")  # the conflict says it better
        if entity:
            context |= describe_entry(entity)
        if entity and self.has_change_permission(request, entity):
            seen = {"seen": entity.modified_ts.isoformat()}
            context["editors_url"] = reverse("admin:entities_entity_editors", args=[quote(entity.pk)], query=seen)
            context |= {"editors": note_editor(entity.pk, request.user), "editors_every": EVERY_SECONDS}
        response = super().render_change_form(request, context, *args, **kwargs)
        if context["conflict"]:
            response.status_code = 409
        return response

    def save_model(self, request: HttpRequest, obj: Entity, form: Any, change: bool) -> None:
        """Save the edited fields, if the row is still the one the form was validated against."""
        if not change:
            obj.save(force_insert=True)  # else Django would overwrite a row that somebody else just added
        elif form.changed_data:
            hides = "active_flag" in form.changed_data and not obj.active_flag
            locked = Entity.objects.using(router.db_for_write(Entity)).select_for_update(no_key=True)
            with writing_types(obj.pk, detach=hides and DETACH in request.POST):
                row = locked.filter(pk=obj.pk).first()
                if row is None or values_of(row) != form.current:
                    raise FormOutdated(form.started_from)
                obj.save(update_fields=[*form.changed_data, "modified_ts"])
        forget_editor(obj.pk, request.user)
        if "icon" in form.changed_data and (former := describe_former(obj.icon)):
            self.message_user(request, former, messages.WARNING)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Django's message; if a form of a type deleted meanwhile was submitted, a page that keeps its values."""
        if request.method != "POST" or STARTED_FROM not in request.POST:
            return super()._get_obj_does_not_exist_redirect(request, opts, object_id)  # type: ignore[misc, no-any-return]
        code = unquote(object_id)
        form = EntityForm(request.POST)
        typed = {name: form[name].data for name in form.fields if name != "code"}
        again = {"code": code} | {name: as_text(value) for name, value in typed.items()}
        add_url = reverse("admin:entities_entity_add", query=again) if self.has_add_permission(request) else ""
        says = f"It was deleted by {describe_author(code)}, so nothing was saved. This is what you typed:"
        parts = [
            Part(says, warns=True, url=add_url, go="Add it again with this"),
            *(Part(f"{form[name].label}: {describe_value(value)}") for name, value in typed.items()),
        ]
        question = Question(f"Somebody else deleted “{code}” while you edited it", parts)
        return ask(self, request, question, back=reverse("admin:entities_entity_changelist"), status=409)
