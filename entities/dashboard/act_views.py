"""
The one endpoint that operates the cache: it streams the progress as lines of JSON in one response.

One request performs the whole act, so it is recorded once, and aborted when the browser disconnects or cancels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

from django import forms
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from cache_layer import UnknownTag, deadline
from cache_layer.inspect import LookupState
from entities.cache.acts import Act, ActFailed, Operation, Step, perform
from entities.codes import is_code
from entities.dashboard.access import for_operators, for_viewers
from entities.dashboard.figures import forget_figures
from entities.lookups import ENTITY
from entities.models import CacheOperation
from entities.texts import validate_readable

OF_EVERYTHING = (Operation.CLEAR, Operation.AUDIT)


class ActForm(forms.Form):
    """What to do, on what, and why."""

    operation = forms.ChoiceField(choices=Operation)
    codes = forms.CharField(required=False, strip=True)
    tag = forms.CharField(required=False, strip=True, max_length=100)
    everything = forms.BooleanField(required=False)
    reason = CacheOperation._meta.get_field("reason").formfield(validators=[validate_readable])

    def clean_codes(self) -> tuple[str, ...]:
        codes = tuple(dict.fromkeys(filter(None, self.cleaned_data["codes"].split(","))))
        wrong = [code for code in codes if not is_code(code)]
        if wrong:
            raise forms.ValidationError("No entity type can have this code: %(code)s.", params={"code": wrong[0][:60]})
        return codes

    def clean(self) -> None:
        if self.errors:
            return
        codes, tag, everything = (self.cleaned_data[name] for name in ("codes", "tag", "everything"))
        if self.cleaned_data["operation"] in OF_EVERYTHING:
            if codes or tag or not everything:
                raise forms.ValidationError("This can only be done with everything.")
        elif [bool(codes), bool(tag), everything].count(True) != 1:
            raise forms.ValidationError("Choose entity types, a tag, or everything.")
        if tag:
            try:
                self.cleaned_data["codes"] = tuple(ENTITY.find_tagged(tag))
            except UnknownTag as error:
                raise forms.ValidationError(str(error)) from error


@for_viewers
def count_cached(_request: HttpRequest) -> HttpResponseBase:
    """How many values clearing everything would drop now."""
    return JsonResponse({"values": sum(each.values for each in LookupState.read())})


@for_operators
def act(request: HttpRequest) -> HttpResponseBase:
    """Perform an act; each line reports progress, the last one the outcome."""
    form = ActForm(request.POST)
    if not form.is_valid():
        return JsonResponse(
            {"error": " ".join(str(text) for texts in form.errors.values() for text in texts)}, status=400
        )
    wanted = Act(
        Operation(form.cleaned_data["operation"]),
        None if form.cleaned_data["everything"] else form.cleaned_data["codes"],
        request.user.get_username(),
        form.cleaned_data["reason"],
        form.cleaned_data["tag"],
    )
    return StreamingHttpResponse(
        _lines(perform(wanted)),
        content_type="application/x-ndjson",
        headers={"X-Accel-Buffering": "no"},  # nginx passes each line on
    )


def _lines(steps: Iterator[Step]) -> Iterator[bytes]:
    """The steps as JSON, in the request's context: the middleware that set its origin is done with the request."""
    context = copy_context()
    steps = _unhurried(steps)

    def lines() -> Iterator[bytes]:
        try:
            while (step := context.run(next, steps, None)) is not None:
                yield _line(done=step.done, total=step.total, result=step.result, finished=step.finished)
        except ActFailed as failure:
            yield _line(error=f"Failed {failure}.")
        except DatabaseError:
            yield _line(error="The database does not answer: the act was not finished.")
        finally:
            context.run(steps.close)  # type: ignore[attr-defined] # a generator
            forget_figures()

    return lines()


def _unhurried(steps: Iterator[Step]) -> Iterator[Step]:
    """The steps, without the request's deadline: an act may run as long as it makes progress."""
    with deadline.working_within(None):
        yield from steps


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"
