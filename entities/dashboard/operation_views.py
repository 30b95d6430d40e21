"""
The one endpoint that operates the cache: it streams the progress as lines of JSON in one response.

One request performs the whole operation, so it is recorded once, and aborted when the browser disconnects or cancels.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from contextvars import Context, copy_context
from typing import Any

from django import forms
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from cache_layer import UnknownTag, deadline
from cache_layer.inspect import LookupState
from entities.cache.operations import Operation, OperationFailed, perform
from entities.codes import is_code
from entities.dashboard.access import for_operators, for_viewers
from entities.dashboard.figures import forget_figures
from entities.lookups import ENTITY
from entities.models import CacheOperation
from entities.texts import validate_readable

OF_EVERYTHING = (Operation.CLEAR, Operation.AUDIT)
CHOOSE = "Choose entity types, a tag, or everything."


class OperationForm(forms.Form):
    """What to do, on which of the codes, the tag and everything, and why."""

    operation = forms.TypedChoiceField(choices=Operation, coerce=Operation)
    on = forms.CharField(error_messages={"required": CHOOSE})
    codes = forms.Field(required=False, widget=forms.SelectMultiple)
    tag = forms.CharField(required=False, strip=True, max_length=100)
    reason = CacheOperation._meta.get_field("reason").formfield(validators=[validate_readable])

    def clean_codes(self) -> tuple[str, ...]:
        codes = tuple(dict.fromkeys(self.cleaned_data["codes"] or ()))
        wrong = [code for code in codes if not is_code(code)]
        if wrong:
            raise forms.ValidationError("No entity type can have this code: %(code)s.", params={"code": wrong[0][:60]})
        return codes

    def clean(self) -> None:
        """Make `codes` what it is done with, None for everything, and empty a tag that is not meant."""
        if self.errors:
            return
        asked = self.cleaned_data
        if asked["on"] == "everything":
            asked["codes"] = None
        elif asked["operation"] in OF_EVERYTHING:
            raise forms.ValidationError("This can only be done with everything.")
        elif asked["on"] == "tag":
            try:
                asked["codes"] = tuple(ENTITY.find_tagged(asked["tag"]))
            except UnknownTag as error:
                raise forms.ValidationError(str(error)) from error
        elif not asked["codes"]:
            raise forms.ValidationError(CHOOSE)
        if asked["on"] != "tag":
            asked["tag"] = ""


@for_viewers
def count_cached(_request: HttpRequest) -> HttpResponseBase:
    """How many values clearing everything would drop now, in words."""
    values = sum(each.values for each in LookupState.read())
    return HttpResponse(
        "1 cached value will be dropped. The next reader asks the database."
        if values == 1
        else f"{values:,} cached values will be dropped. The next reader of each asks the database."
    )


@for_operators
def operate(request: HttpRequest) -> HttpResponseBase:
    """Perform an operation; each line reports progress, the last one the outcome."""
    form = OperationForm(request.POST)
    if not form.is_valid():
        refusal = " ".join(str(text) for texts in form.errors.values() for text in texts)
        return HttpResponse(_line(error=refusal), content_type="application/json", status=400)
    return StreamingHttpResponse(
        _in_context(copy_context(), _lines(form.cleaned_data, request.user.get_username())),
        content_type="application/x-ndjson",
        headers={"X-Accel-Buffering": "no"},  # nginx passes each line on
    )


def _lines(asked: dict[str, Any], username: str) -> Generator[bytes]:
    """The steps as JSON, without the request's deadline: an operation may run as long as it makes progress."""
    steps = perform(asked["operation"], asked["codes"], username=username, reason=asked["reason"], tag=asked["tag"])
    try:
        with deadline.working_within(None), closing(steps):
            for step in steps:
                yield _line(done=step.done, total=step.total, result=step.result, finished=step.finished)
    except OperationFailed as failure:
        yield _line(error=f"Failed {failure}.")
    except DatabaseError:
        yield _line(error="The database does not answer: the operation was not finished.")
    finally:
        forget_figures()


def _in_context(context: Context, lines: Generator[bytes]) -> Iterator[bytes]:
    """Make each line in the request's context: the middleware that set its origin is done with the request by then."""
    try:
        while (line := context.run(next, lines, None)) is not None:
            yield line
    finally:
        context.run(lines.close)


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"
