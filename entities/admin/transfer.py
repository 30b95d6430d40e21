"""Imports entity types with a preview, and exports them."""

import base64
import zlib
from typing import Any

import pghistory
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.validators import FileExtensionValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from import_export.admin import ImportExportMixin
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from cache_layer import deadline
from entities.admin.confirmation import BULK_BUDGET_MS, Button, Part, Question, ask, count_types, is_confirmed
from entities.admin.history.versions import undo_url_of_request
from entities.admin.pages import ModelAdmin, show_page
from entities.changes import ChangedMeanwhile
from entities.files.columns import COLUMNS
from entities.files.formats import MAX_BYTES, CsvFile, JsonFile, UnreadableFile, XlsxFile
from entities.files.problems import find_problems
from entities.files.rows import EntityResource, digest_of, plan_import, write_plan
from entities.models import Entity
from entities.words.icons import describe_former

SALT = "entities.import"
PREVIEW_LASTS_SECONDS = 3600
READERS: dict[str, Any] = {"csv": CsvFile, "json": JsonFile, "xlsx": XlsxFile}
SHOWN_ROWS = 200
NAMED_ROWS = 20
MAX_SIGNED_BYTES = 900_000
"""The limit for a file sent through the preview page and back, signed: below Django's limit for forms."""


class ImportFileForm(forms.Form):
    """The file; its name determines the format."""

    file = forms.FileField(
        validators=[FileExtensionValidator([*READERS], "Choose a file whose name ends in .csv, .json or .xlsx.")],
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,.json,.xlsx"}),
        help_text=f"CSV (UTF-8), JSON or XLSX, at most {filesizeformat(MAX_BYTES)}.",
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            limit = filesizeformat(MAX_BYTES)
            raise forms.ValidationError(f"The file is larger than {limit}: split it, or remove columns.")
        return file


class FormatForm(forms.Form):
    """The format of an export."""

    format = forms.ChoiceField(choices=[(kind, kind.upper()) for kind in READERS], widget=UnfoldAdminSelectWidget)


class Transfer(ImportExportMixin, ModelAdmin):  # type: ignore[misc] # import-export has no types
    """Import for users who may add and change entity types, export for those who may view them."""

    resource_classes = (EntityResource,)
    to_encoding = "utf-8"

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.has_view_permission(request))

    @admin.action(description="Export", permissions=["export"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Entity]) -> HttpResponse:
        return self._export(request, queryset)

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """A page of its own for everything that the list's search and filters show."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        deadline.restart(BULK_BUDGET_MS)
        in_list = reverse("admin:entities_entity_changelist")
        try:
            found = self.get_export_queryset(request)
        except IncorrectLookupParameters:  # like the list for an invalid filter
            return HttpResponseRedirect(in_list)
        return self._export(request, found, back=f"{in_list}?{request.GET.urlencode()}")

    def _export(self, request: HttpRequest, chosen: QuerySet[Entity], *, back: str = "") -> HttpResponse:
        """The file, once its format is chosen."""
        form = FormatForm(request.POST if is_confirmed(request) else None)
        if form.is_valid():
            try:
                answer: HttpResponse = self._do_file_export(READERS[form.cleaned_data["format"]](), request, chosen)
            except ValueError as error:
                self.message_user(request, str(error), messages.ERROR)
                return HttpResponseRedirect(request.get_full_path())
            return answer
        entities = list(chosen)
        number = count_types(len(entities))
        filtered = ": those that the search and filters show" if back and request.GET else ""
        parts = [
            Part(f"{number} will be written to a file{filtered}.", entities),
            Part(f"Columns: {', '.join(COLUMNS)}. What is exported can be imported again."),
        ]
        question = Question("Export entity types", parts, [Button("", f"Export {number}")], form)
        return ask(self, request, question, back=back)

    def import_action(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """The upload form, and the preview of an uploaded file."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        deadline.restart(BULK_BUDGET_MS)
        form = ImportFileForm(request.POST, request.FILES) if request.method == "POST" else ImportFileForm()
        if form.is_valid():
            file = form.cleaned_data["file"]
            kind = file.name.rpartition(".")[2].lower()
            try:
                return self._show_import(request, form, file.name, kind, file.read())
            except UnreadableFile as error:
                form.add_error("file", str(error))
        return self._show_import(request, form)

    @method_decorator(require_POST)
    def process_import(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Import exactly what the preview showed."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        deadline.restart(BULK_BUDGET_MS)
        try:
            signed = signing.loads(request.POST.get("upload", ""), salt=SALT, max_age=PREVIEW_LASTS_SECONDS)
        except signing.BadSignature:
            self.message_user(request, "This preview is too old: choose the file again.", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:entities_entity_import"))
        name, kind, content = signed["name"], signed["kind"], zlib.decompress(base64.b64decode(signed["content"]))
        plan = _plan(kind, content)
        wrong = [row.number for row in plan.rows if not row.is_valid()]
        if plan.base_errors or (wrong and "skip_wrong" not in request.POST):
            return self._show_import(request, ImportFileForm(), name, kind, content)
        try:
            with pghistory.context(act="import", file=name):
                write_plan(plan, signed["plan"])
        except ChangedMeanwhile as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._show_import(request, ImportFileForm(), name, kind, content)
        self.generate_log_entries(plan, request)
        counts = plan.totals
        done = f"{counts['new']} new, {counts['update']} changed, {counts['skip']} unchanged."
        left_out = f" {_name_rows(wrong)} left out because of errors." if wrong else ""
        level = messages.WARNING if wrong else messages.SUCCESS
        said = f"Imported {name}: {done}{left_out}"
        self.message_user(request, said, level, extra_tags=undo_url_of_request())
        return HttpResponseRedirect(reverse("admin:entities_entity_changelist"))

    def _show_import(
        self, request: HttpRequest, form: forms.Form, name: str = "", kind: str = "", content: bytes = b""
    ) -> TemplateResponse:
        """The upload form and, given a file, what would be done with it."""
        context = {"title": "Import entity types", "form": form, "media": self.media + form.media, "columns": COLUMNS}
        if name:
            plan = _plan(kind, content)
            context |= {**_preview(plan), "upload": _sign(name, kind, content, plan)}
        return show_page(self, request, "import", context)


def _plan(kind: str, content: bytes) -> Any:
    return plan_import(READERS[kind]().create_dataset(content))


def _name_rows(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:NAMED_ROWS]))
    more = f" and {len(numbers) - NAMED_ROWS} more" if len(numbers) > NAMED_ROWS else ""
    return f"{'Rows' if len(numbers) > 1 else 'Row'} {shown}{more}"


def _sign(name: str, kind: str, content: bytes, plan: Any) -> str:
    """Sign the file and its preview so that the page can send them back; no server has to remember them."""
    packed = base64.b64encode(zlib.compress(content)).decode()
    upload = {"content": packed, "kind": kind, "name": name, "plan": digest_of(plan)}
    signed = signing.dumps(upload, salt=SALT, compress=True)
    if len(signed) > MAX_SIGNED_BYTES:
        raise UnreadableFile("The file is too large for a preview: split it, or remove columns.")
    return signed


def _former_icons(rows: list[Any]) -> list[tuple[str, str]]:
    """Notes on icons written under a former name, with their row numbers."""
    found: dict[str, list[int]] = {}
    for row in rows:
        if any(change.name == "icon" for change in row.changes) and (former := describe_former(row.instance.icon)):
            found.setdefault(former, []).append(row.number)
    return [(_name_rows(numbers), text) for text, numbers in found.items()]


def _mark(tag: str, value: str) -> SafeString:
    return format_html("<{0}>{1}</{0}>", SafeString(tag), value or "(empty)")


def _preview(plan: Any) -> dict[str, Any]:
    """What the page shows of a dry run: errors, and what is new, changed and unchanged."""
    errors = list(find_problems(plan))
    whole_file = [("", "", "", str(error.error)) for error in plan.base_errors]
    new = [row for row in plan.rows if row.is_new()]
    changed = [row for row in plan.rows if row.is_update()]
    return {
        "errors": errors,
        "wrong_headings": ("Row", "Column", "Value", "What is wrong"),
        "wrong": [*whole_file, *errors[:SHOWN_ROWS]],
        "hidden_errors": max(0, len(errors) - SHOWN_ROWS),
        "tables": [
            (
                "Changed",
                ("Row", "Code", "Column", "Is now", "Will be"),
                [
                    (row.number, row.instance.code, each.name, _mark("del", each.old), _mark("ins", each.new))
                    for row in changed[:SHOWN_ROWS]
                    for each in row.changes
                ],
            ),
            ("New", ("Row", *COLUMNS), [(row.number, *(each.new for each in row.changes)) for row in new[:SHOWN_ROWS]]),
        ],
        "hidden_rows": max(0, len(new) - SHOWN_ROWS) + max(0, len(changed) - SHOWN_ROWS),
        "former_icons": _former_icons([*new, *changed]),
        "counts": {"new": len(new), "changed": len(changed), "unchanged": plan.totals["skip"], "errors": len(errors)},
        "wrong_rows": len({error.row for error in errors}),
        "may_import": not plan.base_errors and bool(new or changed),
    }
