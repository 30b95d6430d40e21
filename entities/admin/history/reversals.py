"""Plans what undoing does to each entity type, field by field, preserving everything done since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError

from entities.admin.history.differences import field_name
from entities.admin.history.restoring import describe_problems
from entities.changes import find_parents
from entities.fields import SETTABLE, values_of
from entities.models import Entity

CHILDREN = "child_entity_codes"


class Kind(StrEnum):
    """What undoing does to one entity type."""

    CHANGE = "change"
    ADD = "add"
    REMOVE = "remove"
    NOTHING = "nothing"


@dataclass
class Reversal:
    """
    What undoing does to one entity type.

    Attributes:
        values: the fields it sets, with their earlier values.
        stays: why some or all of it is left unchanged.
        event_id: the version that is undone.
    """

    code: str
    label: str
    kind: Kind
    now: Any = None
    values: dict[str, Any] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    created_ts: Any = None
    event_id: int = 0


@dataclass(frozen=True)
class Step:
    """What an act did to one entity type: its row before, if known, and after; None where it did not exist."""

    code: str
    before: Any
    after: Any
    event_id: int
    is_known: bool = True


def plan_undoing(steps: Sequence[Step], now: Mapping[str, Entity], known: set[str]) -> list[Reversal]:
    """
    What undoing these steps would do, and what it would leave.

    Args:
        now: the current entity types, by code.
        known: the existing ones among the codes listed in the steps' earlier rows.
    """
    reversals = [_reverse(step, now.get(step.code)) for step in steps]
    for each in reversals:
        _refuse_invalid(each)
    removed = {each.code for each in reversals if each.kind is Kind.REMOVE}
    listed = {code for entity in now.values() for code in entity.child_entity_codes}
    known = (known | listed | {each.code for each in reversals if each.kind is Kind.ADD}) - removed
    for each in reversals:
        _leave_out_unknown(each, known | {each.code})
    _keep_listed([each for each in reversals if each.kind is Kind.REMOVE], reversals)
    return reversals


def merge_children(before: Sequence[str], after: Sequence[str], now: Sequence[str]) -> list[str]:
    """Revert the change from `before` to `after` in `now`; codes it removed return near their old places."""
    if list(now) == list(after):
        return list(before)
    merged = [code for code in now if code in before or code not in after]
    for place, code in enumerate(before):
        if code in after or code in merged:
            continue
        neighbours = [merged.index(each) for each in before[:place] if each in merged]
        merged.insert(neighbours[-1] + 1 if neighbours else 0, code)
    return merged


def _reverse(step: Step, now: Entity | None) -> Reversal:
    before, after = step.before, step.after
    label = (now or after or before).label if (now or after or before) else step.code
    reversal = Reversal(step.code, label, Kind.NOTHING, now, event_id=step.event_id)
    if not step.is_known:
        reversal.stays.append("What it was before is not known.")
    elif before is None and after is None:
        reversal.stays.append("It was added and deleted at once.")
    elif before is None:
        _reverse_addition(reversal, after)
    elif after is None and now is not None:
        reversal.stays.append("It is there again already.")
    elif after is None:
        reversal.kind, reversal.created_ts = Kind.ADD, before.created_ts
        reversal.values = values_of(before)
    elif now is None:
        reversal.stays.append("It was deleted since.")
    else:
        _reverse_change(reversal, before, after)
    return reversal


def _reverse_addition(reversal: Reversal, after: Any) -> None:
    if reversal.now is None:
        reversal.stays.append("It was deleted since.")
    elif changed := [name for name in SETTABLE if getattr(reversal.now, name) != getattr(after, name)]:
        reversal.stays.append(f"It was changed since: {_names(changed)}.")
    else:
        reversal.kind = Kind.REMOVE


def _reverse_change(reversal: Reversal, before: Any, after: Any) -> None:
    later = []
    for name in SETTABLE:
        was, became, is_now = (getattr(each, name) for each in (before, after, reversal.now))
        if was in (became, is_now):
            continue
        if name == CHILDREN:
            was = merge_children(was, became, is_now)
            if was != is_now:
                reversal.values[name] = was
        elif is_now == became:
            reversal.values[name] = was
        else:
            later.append(name)
    if later:
        reversal.stays.append(f"Changed again since: {_names(later)}.")
    if reversal.values:
        reversal.kind = Kind.CHANGE
    elif not later:
        reversal.stays.append("It is already as it was before.")


def _refuse_invalid(reversal: Reversal) -> None:
    """Do not set values that would be refused today; restoring a deleted type needs all of its values."""
    if reversal.kind not in (Kind.CHANGE, Kind.ADD):
        return
    try:
        Entity(code=reversal.code, **reversal.values).clean_fields(exclude=set(SETTABLE) - reversal.values.keys())
    except ValidationError as error:
        reversal.stays += describe_problems(error)
        refused = {*error.message_dict, *(SETTABLE if reversal.kind is Kind.ADD else ())}
        reversal.values = {name: value for name, value in reversal.values.items() if name not in refused}
    if not reversal.values:
        reversal.kind = Kind.NOTHING


def _leave_out_unknown(reversal: Reversal, known: set[str]) -> None:
    """Do not list children again that were deleted meanwhile."""
    gone = [code for code in reversal.values.get(CHILDREN, ()) if code not in known]
    if not gone:
        return
    reversal.values[CHILDREN] = [code for code in reversal.values[CHILDREN] if code in known]
    reversal.stays.append(f"Deleted since, so not listed again: {', '.join(gone)}.")
    if reversal.kind is Kind.CHANGE and reversal.values[CHILDREN] == reversal.now.child_entity_codes:
        del reversal.values[CHILDREN]
        reversal.kind = Kind.CHANGE if reversal.values else Kind.NOTHING


def _keep_listed(removals: Sequence[Reversal], reversals: Sequence[Reversal]) -> None:
    """Keep added types that others list by now, unless those are removed too or stop listing them."""
    if not removals:
        return
    codes = [each.code for each in removals]
    lists = {parent.code: parent.child_entity_codes for parent in find_parents(*codes)}
    lists |= {each.code: each.values[CHILDREN] for each in reversals if CHILDREN in each.values}
    for each in removals:
        if parents := [code for code, children in lists.items() if each.code in children]:
            each.kind = Kind.NOTHING
            each.stays.append(f"It is listed since by {', '.join(parents)}.")


def _names(fields: Iterable[str]) -> str:
    return ", ".join(map(field_name, fields))
