"""Operates the cache from the pages of entity types, with a reason for the audit log."""

from collections.abc import Sequence

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from entities.admin.confirmation import count_types
from entities.cache.operations import Operation, OperationFailed, perform
from entities.models import CacheOperation
from entities.texts import validate_readable


class ReasonForm(forms.Form):
    """Why somebody operates the cache, for the audit log."""

    reason = CacheOperation._meta.get_field("reason").formfield(
        validators=[validate_readable],
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        help_text="Optional; it is recorded in the audit log.",
    )


def operate(request: HttpRequest, operation: Operation, codes: Sequence[str], form: ReasonForm) -> tuple[str, str]:
    """Invalidate or warm these entity types for a valid form; returns the level and text of the message."""
    warms = operation is Operation.WARM
    try:
        *_, last = perform(operation, codes, username=request.user.get_username(), **form.cleaned_data)
    except OperationFailed:
        nothing = f"Redis does not answer, so nothing was {'cached' if warms else 'invalidated'}."
        return "error", f"{nothing} Readers get entity types from the database meanwhile; try again."
    types = count_types(len(codes))
    if warms:
        return "success", f"Warmed {types}: {last.result}."
    return "success", f"Invalidated {types}; the next reader of each goes to the database."
