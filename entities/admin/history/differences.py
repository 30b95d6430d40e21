"""Differences between two states of an entity type: by field as pages show them, and by line of the documents."""

import difflib
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
from django.contrib.admin.utils import label_for_field, quote
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from entities.admin.pages import MOMENT
from entities.admin.widgets import draw_icon
from entities.documents import document_of
from entities.fields import SETTABLE
from entities.models import Entity

RECORDED = (*SETTABLE, "created_ts")
"""A change of any of these makes a version."""
ALL_FIELDS = (*RECORDED, "modified_ts")
NAMES = {"child_entity_codes": "Children"}
NOTHING = SafeString("—")

Mark = Literal["added", "removed", "moved", ""]
SIGNS: dict[Mark, str] = {"added": "+", "removed": "−", "moved": "↕"}  # noqa: RUF001 - a minus as wide as the plus


@dataclass(frozen=True)
class Difference:
    """One field in two states, rendered; `summary` shows just what is new, where that is shorter than both."""

    name: str
    differs: bool
    old: SafeString
    new: SafeString
    summary: str = ""


class Line(NamedTuple):
    """One line of two documents: in both, or `added` or `removed`."""

    mark: Mark
    sign: str
    text: str


def compare_fields(old: Any, new: Any, fields: Iterable[str]) -> list[Difference]:
    """Each of these fields in both states, even if equal; a state is an entity type, a history row, or None."""
    return [_compare_field(field, old, new) for field in fields]


def compare_documents(old: Any, new: Any) -> list[Line]:
    """Every line of both JSON documents."""
    marks: dict[str, Mark] = {"+": "added", "-": "removed", " ": ""}
    before, after = _lines_of(old), _lines_of(new)
    found = list(difflib.unified_diff(before, after, n=len(before), lineterm=""))
    lines = found[3:] or [f" {line}" for line in before]  # the first three are headings
    return [Line(marks[line[0]], SIGNS.get(marks[line[0]], " "), line[1:]) for line in lines]


def field_name(field: str) -> str:
    """The label pages use for a field."""
    return NAMES.get(field) or capfirst(str(label_for_field(field, Entity)))


def name_fields(fields: Iterable[str]) -> str:
    return ", ".join(map(field_name, fields))


def moved_codes(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """
    The codes that moved relative to the others in both lists: the smallest set that explains the new order.

    Source: the complement of a longest increasing subsequence, found as in patience sorting; Fredman, "On computing the
    length of longest increasing subsequences", 1975.
    """
    places = {code: place for place, code in enumerate(old)}
    common = [code for code in new if code in places]
    tops: list[int] = []
    runs: list[list[str]] = []  # runs[n] is the best increasing run of n + 1 codes so far
    for code in common:
        length = bisect_left(tops, places[code])
        run = [*(runs[length - 1] if length else []), code]
        tops[length : length + 1], runs[length : length + 1] = [places[code]], [run]
    kept = set(runs[-1]) if runs else set()
    return [code for code in common if code not in kept]


def _compare_field(field: str, old: Any, new: Any) -> Difference:
    before, after = getattr(old, field, None), getattr(new, field, None)
    if field == "child_entity_codes":
        return _compare_children(before, after)
    drawn = [NOTHING if value is None else _draw(field, value) for value in (before, after)]
    return Difference(field_name(field), before != after, *drawn)


def _compare_children(before: list[str] | None, after: list[str] | None) -> Difference:
    old, new = before or [], after or []
    marks: dict[str, Mark] = dict.fromkeys(moved_codes(old, new), "moved")
    marks |= dict.fromkeys((code for code in new if code not in old), "added")
    marks |= dict.fromkeys((code for code in old if code not in new), "removed")
    chips = {code: _draw_chip(code, marks.get(code, ""), old, new) for code in (*old, *new)}

    def draw(codes: Iterable[str]) -> SafeString:
        drawn = format_html_join("", "{}", ((chips[code],) for code in codes))
        return format_html('<span class="entity-chips">{}</span>', drawn) if drawn else SafeString("none")

    return Difference(
        field_name("child_entity_codes"),
        before != after,
        draw(old) if before is not None else NOTHING,
        draw(new) if after is not None else NOTHING,
        draw(sorted(marks, key=lambda code: list(SIGNS).index(marks[code]))),
    )


def _draw_chip(code: str, mark: Mark, old: Sequence[str], new: Sequence[str]) -> SafeString:
    """A link to the child's own history, which deleted children have too."""
    url = reverse("admin:entities_entity_history", args=[quote(code)])
    if not mark:
        return format_html('<a class="entity-chip" href="{}">{}</a>', url, code)
    place = f" from place {old.index(code) + 1} to {new.index(code) + 1}" if mark == "moved" else ""
    return format_html(
        '<a class="entity-chip history-{}" href="{}" title="{}">'
        '<span class="font-semibold mr-1" aria-hidden="true">{}</span>'
        '<span class="entity-unseen">{} </span>{}<span class="entity-unseen">{}</span></a>',
        *(mark, url, mark + place, SIGNS[mark], mark, code, place),
    )


def _draw(field: str, value: Any) -> SafeString:
    if field == "icon":
        return format_html('<span class="history-icon">{}{}</span>', draw_icon(value, size=18), value)
    if isinstance(value, bool):
        return SafeString("yes" if value else "no")
    if isinstance(value, datetime):
        return SafeString(date_format(value, MOMENT))
    return format_html("{}", value if value != "" else "empty")


def _lines_of(state: Any) -> list[str]:
    return json.dumps(msgspec.to_builtins(document_of(state)), indent=2, ensure_ascii=False).splitlines()
