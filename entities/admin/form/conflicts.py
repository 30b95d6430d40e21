"""Concurrent edits of one entity type: what the second editor started from, and what each has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from django.core.exceptions import ValidationError

from entities.admin.history.versions import Version
from entities.changes import ChangedMeanwhile
from entities.fields import SETTABLE, value_type
from entities.history import PLACES, all_events
from entities.models import Entity

STARTED_FROM = "started_from"
"""The hidden field that holds the version a form was made from."""


_Values: Any = msgspec.defstruct("_Values", [(name, value_type(name)) for name in SETTABLE], frozen=True)


class FormValues(  # type: ignore[call-arg] # mypy does not see that it derives from a struct
    _Values,  # type: ignore[misc] # as above
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
):
    """An entity type's values as a form shows them, and their time."""

    modified_ts: str

    @classmethod
    def of(cls, entity: Entity) -> FormValues:
        return cls(modified_ts=entity.modified_ts.isoformat(), **{name: getattr(entity, name) for name in SETTABLE})

    @classmethod
    def parse(cls, text: str) -> FormValues:
        """
        Parse the output of `dump`.

        Raises:
            ValidationError: the text is something else.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise ValidationError("This page is not complete. Open it again.", code="started_from") from error

    def dump(self) -> str:
        return msgspec.json.encode(self).decode()

    def values(self) -> dict[str, Any]:
        """The fields without the time; equal values are the same to a form."""
        return {name: getattr(self, name) for name in SETTABLE}


class FormOutdated(ChangedMeanwhile):
    """The row is no longer the one the form was validated against; `started_from` is the version it was made from."""

    def __init__(self, started_from: str) -> None:
        super().__init__("Somebody else changed or deleted it since the form was checked.")
        self.started_from = started_from


class Verdict(StrEnum):
    """Who changed a field."""

    THEIRS = "theirs"
    YOURS = "yours"
    SAME = "same"
    BOTH = "both"


@dataclass(frozen=True)
class Difference:
    """One field that somebody changed, as people read it; the `..._sent` values are as its input would hold them."""

    name: str
    label: str
    verdict: Verdict
    before: str
    now: str
    wanted: str
    now_sent: str
    wanted_sent: str


@dataclass(frozen=True)
class Conflict:
    """What changed since a form was made. `author` made the last change."""

    author: str
    differences: tuple[Difference, ...]

    def names(self, verdict: Verdict) -> list[str]:
        return [each.name for each in self.differences if each.verdict is verdict]


def find_conflict(form: Any, before: FormValues, now: FormValues) -> Conflict | None:
    """How a bound form differs from its original version and from the row; None if the row still is that version."""
    old, new = before.values(), now.values()
    if old == new:
        return None
    differences = []
    for name in form.fields:
        if name not in old:
            continue
        field, sent = form.fields[name], form[name].data
        theirs, yours = old[name] != new[name], field.has_changed(old[name], sent)
        if theirs or yours:
            same = theirs and yours and not field.has_changed(new[name], sent)
            verdict = Verdict.SAME if same else _verdict(theirs=theirs, yours=yours)
            differences.append(
                Difference(
                    name,
                    label=form[name].label,
                    verdict=verdict,
                    before=describe_value(old[name]),
                    now=describe_value(new[name]),
                    wanted=describe_value(sent),
                    now_sent=as_text(new[name]),
                    wanted_sent=as_text(sent),
                )
            )
    return Conflict(describe_author(form.instance.pk), tuple(differences))


def merge(data: Any, conflict: Conflict, now: FormValues) -> Any:
    """The submitted data, with the fields that only others changed taken over."""
    merged, values = data.copy(), now.values()
    for name in conflict.names(Verdict.THEIRS):
        value = values[name]
        if value is False:
            merged.pop(name, None)  # unticked boxes are not submitted
        else:
            merged[name] = as_text(value)
    return merged


def describe_value(value: Any) -> str:
    """A field's value as shown to people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_text(value) or "(empty)"


def describe_author(code: str) -> str:
    """`ann, in the admin`: the last person to change an entity type."""
    event: Any = all_events().filter(pgh_obj_id=code).order_by("-pgh_id").first()
    context: Mapping[str, Any] = (event.pgh_context if event else None) or {}
    place = PLACES.get(context.get("source", ""), "directly in the database")
    who = Version(0, event).who if event else ""
    return f"{who or 'Somebody'}, {place}"


def _verdict(*, theirs: bool, yours: bool) -> Verdict:
    if theirs and yours:
        return Verdict.BOTH
    return Verdict.THEIRS if theirs else Verdict.YOURS


def as_text(value: Any) -> str:
    """A field's value as its input holds it; for a tick box `on` or nothing."""
    if isinstance(value, bool):
        return "on" if value else ""
    return ", ".join(value) if isinstance(value, list) else str("" if value is None else value)
