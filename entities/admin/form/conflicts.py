"""Concurrent edits of one entity type: what the second editor started from, and what each has changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.core import signing
from django.core.exceptions import ValidationError

from entities.changes import ChangedMeanwhile
from entities.fields import SETTABLE
from entities.history import newest_events

STARTED_FROM = "started_from"
"""The hidden field that holds the values a form was made from, signed."""
Changer = Literal["theirs", "yours", "same", "both"]
"""Who changed a field: others, the one who submits the form, both to the same value, or both."""


def sign_values(values: Mapping[str, Any]) -> str:
    return signing.dumps(values, salt=STARTED_FROM)


def read_values(text: str) -> dict[str, Any]:
    """
    The values in the output of `sign_values`.

    Raises:
        ValidationError: the text is something else, or of a release with other fields.
    """
    try:
        values: dict[str, Any] = signing.loads(text, salt=STARTED_FROM)
    except signing.BadSignature:
        values = {}
    if values.keys() != set(SETTABLE):
        raise ValidationError("This page is not complete. Open it again.", code="started_from")
    return values


class FormOutdated(ChangedMeanwhile):
    """The row is no longer the one the form was validated against; `started_from` is the version it was made from."""

    def __init__(self, started_from: str) -> None:
        super().__init__("Somebody else changed or deleted it since the form was checked.")
        self.started_from = started_from


@dataclass(frozen=True)
class Difference:
    """One field that somebody changed, as people read it; the `..._sent` values are as its input would hold them."""

    name: str
    label: str
    changed_by: Changer
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

    def names(self, changed_by: Changer) -> list[str]:
        return [each.name for each in self.differences if each.changed_by == changed_by]


def find_conflict(form: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Conflict | None:
    """How a bound form differs from the values it was made from and from the row's; None if those are the same."""
    if old == new:
        return None
    differences = []
    for name, field in form.fields.items():
        sent = form[name].data
        theirs, yours = old[name] != new[name], field.has_changed(old[name], sent)
        if theirs or yours:
            changed_by: Changer = "theirs" if not yours else "yours" if not theirs else "both"
            if changed_by == "both" and not field.has_changed(new[name], sent):
                changed_by = "same"
            differences.append(
                Difference(
                    name,
                    label=form[name].label,
                    changed_by=changed_by,
                    before=describe_value(old[name]),
                    now=describe_value(new[name]),
                    wanted=describe_value(sent),
                    now_sent=as_text(new[name]),
                    wanted_sent=as_text(sent),
                )
            )
    return Conflict(describe_author(form.instance.pk), tuple(differences))


def merge(data: Any, conflict: Conflict, now: Mapping[str, Any]) -> Any:
    """The submitted data as of a form made from the row as it is now: with the fields that only others changed."""
    merged = data.copy()
    merged[STARTED_FROM] = sign_values(now)
    for name in conflict.names("theirs"):
        merged[name] = as_text(now[name])
    return merged


def describe_value(value: Any) -> str:
    """A field's value as shown to people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_text(value) or "(empty)"


def describe_author(code: str) -> str:
    """`ann, in the admin`: the last person to change an entity type."""
    newest = newest_events([code]).first()
    return (newest and newest.author) or "somebody"


def as_text(value: Any) -> str:
    """A field's value as its input holds it; for a tick box `on` or nothing."""
    if isinstance(value, bool):
        return "on" if value else ""
    return ", ".join(value) if isinstance(value, list) else str("" if value is None else value)
