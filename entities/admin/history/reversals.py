"""Plans how entity types are set back to what they were, field by field, preserving everything done since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError

from entities.admin.history.differences import Difference, compare_fields, field_name, name_fields
from entities.changes import find_parents
from entities.fields import SETTABLE, values_of
from entities.models import Entity

CHILDREN = "child_entity_codes"


class Kind(StrEnum):
    """What happens to one entity type."""

    CHANGE = "will be changed back"
    ADD = "will be added again"
    REMOVE = "will be removed"
    NOTHING = "stays as it is"


@dataclass(frozen=True)
class Step:
    """
    What is to be undone of one entity type.

    Attributes:
        before, after: its rows before and after it; None where it did not exist.
        event_id: the version that is undone.
        is_known: whether what it was before is known.
        seen: the mark of the current row that the user was shown; with one, all of the step is undone or nothing.
    """

    code: str
    before: Any
    after: Any
    event_id: int = 0
    is_known: bool = True
    seen: str | None = None


@dataclass
class Reversal:
    """
    What undoing a step does.

    Attributes:
        now: the current row, if there is one.
        values: the fields it sets, with their earlier values.
        stays: why some or all of it is left unchanged.
    """

    step: Step
    now: Any
    kind: Kind = Kind.NOTHING
    values: dict[str, Any] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return getattr(self.now or self.step.after or self.step.before, "label", self.step.code)

    @property
    def acts(self) -> bool:
        return self.kind is not Kind.NOTHING

    @property
    def is_outdated(self) -> bool:
        return self.step.seen is not None and (bool(self.stays) or self.step.seen != mark_of(self.now))

    @property
    def differences(self) -> list[Difference]:
        """What a change will change."""
        fields = self.values if self.kind is Kind.CHANGE else ()
        return compare_fields(self.now, SimpleNamespace(**self.values), fields)


def mark_of(entity: Entity | None) -> str:
    """Identifies a state of an entity type; empty for a deleted one."""
    return entity.modified_ts.isoformat() if entity else ""


def plan_undoing(steps: Sequence[Step], now: Mapping[str, Entity]) -> list[Reversal]:
    """What undoing these steps would do to the current entity types, by code, and what it would leave."""
    reversals = [Reversal(step, now.get(step.code)) for step in steps]
    for each in reversals:
        _reverse(each)
        _refuse_invalid(each)
    listed = {code for each in reversals for code in each.values.get(CHILDREN, ())}
    known = set(Entity.objects.filter(code__in=listed).values_list("code", flat=True))
    known |= {each.step.code for each in reversals if each.kind is Kind.ADD}
    known -= {each.step.code for each in reversals if each.kind is Kind.REMOVE}
    for each in reversals:
        _leave_out_unknown(each, known)
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


def _reverse(reversal: Reversal) -> None:
    before, after, now = reversal.step.before, reversal.step.after, reversal.now
    match (before is not None, after is not None, now is not None):
        case _ if not reversal.step.is_known:
            reversal.stays.append("What it was before is not known.")
        case (False, False, _):
            reversal.stays.append("It was added and deleted at once.")
        case (True, False, False):
            reversal.kind, reversal.values = Kind.ADD, values_of(before)
        case (True, False, True):
            reversal.stays.append("It is there again already.")
        case (_, True, False):
            reversal.stays.append("It was deleted since.")
        case (False, True, True):
            if changed := [name for name in SETTABLE if getattr(now, name) != getattr(after, name)]:
                reversal.stays.append(f"It was changed since: {name_fields(changed)}.")
            else:
                reversal.kind = Kind.REMOVE
        case _:
            _reverse_change(reversal)


def _reverse_change(reversal: Reversal) -> None:
    later = []
    for name in SETTABLE:
        was, became, is_now = (
            getattr(each, name) for each in (reversal.step.before, reversal.step.after, reversal.now)
        )
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
        reversal.stays.append(f"Changed again since: {name_fields(later)}.")
    if reversal.values:
        reversal.kind = Kind.CHANGE


def _refuse_invalid(reversal: Reversal) -> None:
    """Do not set values that would be refused today; adding a deleted type again needs all of its values."""
    try:
        Entity(**reversal.values).clean_fields(exclude={"code", *SETTABLE} - reversal.values.keys())
    except ValidationError as error:
        refused = error.message_dict
        reversal.stays += [f"{field_name(name)}: {' '.join(texts)}" for name, texts in refused.items()]
        is_change = reversal.kind is Kind.CHANGE
        reversal.values = {name: value for name, value in reversal.values.items() if is_change and name not in refused}
        reversal.kind = Kind.CHANGE if reversal.values else Kind.NOTHING


def _leave_out_unknown(reversal: Reversal, known: set[str]) -> None:
    """Do not list children again that were deleted meanwhile."""
    gone = [code for code in reversal.values.get(CHILDREN, ()) if code not in known]
    if not gone:
        return
    reversal.values[CHILDREN] = [code for code in reversal.values[CHILDREN] if code in known]
    reversal.stays.append(f"Children deleted since can't be listed again: {', '.join(gone)}.")
    if reversal.kind is Kind.CHANGE and reversal.values[CHILDREN] == reversal.now.child_entity_codes:
        del reversal.values[CHILDREN]
        reversal.kind = Kind.CHANGE if reversal.values else Kind.NOTHING


def _keep_listed(removals: Sequence[Reversal], reversals: Sequence[Reversal]) -> None:
    """Keep added types that others list by now, unless those are removed too or stop listing them."""
    if not removals:
        return
    lists = {parent.code: parent.child_entity_codes for parent in find_parents(*(each.step.code for each in removals))}
    lists |= {each.step.code: each.values[CHILDREN] for each in reversals if CHILDREN in each.values}
    for each in removals:
        if parents := [code for code, children in lists.items() if each.step.code in children]:
            each.kind = Kind.NOTHING
            each.stays.append(f"It is listed since by {', '.join(parents)}.")
