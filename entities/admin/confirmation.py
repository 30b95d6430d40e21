"""The page that says what a bulk action will do before it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse

from entities.admin.map.type_map import MapType
from entities.admin.pages import show_page
from entities.models import Entity

SELECTION = ("action", "index", "select_across", ACTION_CHECKBOX_NAME)
"""What the list sends with an action; the confirmation page sends it again."""


@dataclass(frozen=True)
class Part:
    """
    Some entity types, and what happens to them or is wrong with them.

    Attributes:
        says: the sentence above them.
        entities: which ones; the page links to the first of them.
        warns: whether it may surprise.
        url, go: a link to all of them, if there is one, and its text.
    """

    says: str
    entities: Sequence[Entity | MapType] = ()
    warns: bool = False
    url: str = ""
    go: str = ""


@dataclass(frozen=True)
class Button:
    """A way to proceed; `way` is sent with the form."""

    way: str
    label: str
    variant: str = "primary"


@dataclass(frozen=True)
class Question:
    """What an action asks before it runs. The usual button comes first; there are none if there is nothing to do."""

    title: str
    parts: Sequence[Part]
    buttons: Sequence[Button] = ()
    form: forms.Form | None = None


BULK_BUDGET_MS = 60_000
"""Replaces `REQUEST_BUDGET_MS` for requests that read or change thousands of rows."""


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the request comes from the confirmation page."""
    return "confirmed" in request.POST


def ask(
    model_admin: Any, request: HttpRequest, question: Question, *, back: str = "", status: int = 200
) -> TemplateResponse:
    """
    The confirmation page; submitting it reruns the action on the same selection with the same filters.

    For htmx requests only the dialog's content. `back` is where a page of its own leads afterwards, or on cancel.
    """
    sent = [(name, value) for name in SELECTION for value in request.POST.getlist(name)]
    context = {
        "title": question.title,
        "question": question,
        "sent_again": [("confirmed", "yes"), ("next", back), *sent],
        "back_url": back or request.get_full_path(),
        "in_dialog": "HX-Request" in request.headers,
        "media": model_admin.media + (question.form.media if question.form else forms.Media()),
    }
    template = "confirmation_panel" if context["in_dialog"] else "action_confirmation"
    return show_page(model_admin, request, template, context, status=status)


def parts_about(*told: tuple[str, Sequence[Entity]]) -> list[Part]:
    """A part for each sentence that is about some entity types; `{}` in it is their number."""
    return [Part(says.format(count_types(len(entities))), entities) for says, entities in told if entities]


def count_types(number: int) -> str:
    """`1 entity type`, `2 entity types`."""
    return f"{number} entity type{pluralize(number)}"
