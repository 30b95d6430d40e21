"""The page for somebody who saves an entity type that was deleted in the meantime."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from entities.admin.form.conflicts import as_text, describe_author, describe_value
from entities.admin.form.form import EntityForm
from entities.admin.pages import show_page


def show_deleted(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Shows what was typed, who deleted the type, and a way to add it again with these values."""
    code = unquote(object_id)
    form = EntityForm(request.POST)
    typed = {name: form[name].data for name in form.fields if name != "code"}
    again = urlencode({"code": code} | {name: as_text(value) for name, value in typed.items()})
    context = {
        "title": "Deleted meanwhile",
        "code": code,
        "author": describe_author(code),
        "typed": [(form[name].label, describe_value(value)) for name, value in typed.items()],
        "add_url": f"{reverse('admin:entities_entity_add')}?{again}" if model_admin.has_add_permission(request) else "",
    }
    return show_page(model_admin, request, "conflict_deleted", context, status=409)
