"""The consequences of hiding or deleting entity types."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from django.template.defaultfilters import pluralize

from entities.admin.confirmation import Button, Part, Question, count_types
from entities.changes import find_parents
from entities.models import Entity


class Way(StrEnum):
    """What can be done with them."""

    DEACTIVATE = "deactivate"
    DETACH_AND_DEACTIVATE = "detach_deactivate"
    DELETE = "delete"
    DETACH_AND_DELETE = "detach_delete"

    @property
    def deletes(self) -> bool:
        return self in (Way.DELETE, Way.DETACH_AND_DELETE)

    @property
    def detaches(self) -> bool:
        return self in (Way.DETACH_AND_DEACTIVATE, Way.DETACH_AND_DELETE)


class Consequences:
    """What hiding or deleting types does to those `going` and to `parents` listing them; some are `already` hidden."""

    def __init__(self, entities: Sequence[Entity], *, delete: bool) -> None:
        self.delete = delete
        self.going = [each for each in entities if delete or each.active_flag]
        self.already = [] if delete else [each for each in entities if not each.active_flag]
        self.parents = list(find_parents(*(each.code for each in self.going))) if self.going else []

    def question(self, *, may_change: bool, may_delete: bool) -> Question:
        """The question to ask first."""
        title = f"{'Delete' if self.delete else 'Deactivate'} {name_types(self.going)}?"
        return Question(title, list(self.parts()), self._buttons(may_change=may_change, may_delete=may_delete))

    def _buttons(self, *, may_change: bool, may_delete: bool) -> list[Button]:
        """The ways to proceed, the one that leaves nothing behind first; those without permission are missing."""
        if not self.going:
            return []
        lists = f"{len(self.parents)} list{pluralize(len(self.parents))}"
        types = name_types(self.going)
        if not self.delete:
            hide = [Button(Way.DEACTIVATE, f"Deactivate {types}")]
            if self.parents:
                hide = [
                    Button(Way.DETACH_AND_DEACTIVATE, f"Deactivate, and take out of {lists}"),
                    Button(Way.DEACTIVATE, f"Deactivate, and leave in {lists}", "default"),
                ]
            return hide if may_change else []
        ways = []
        if may_delete and not self.parents:
            ways.append(Button(Way.DELETE, f"Delete {types}", "danger"))
        elif may_delete and may_change:
            ways.append(Button(Way.DETACH_AND_DELETE, f"Take out of {lists}, and delete", "danger"))
        if may_change and any(each.active_flag for each in self.going):
            ways.append(Button(Way.DEACTIVATE, "Deactivate instead", "default" if ways else "primary"))
        return ways

    def parts(self) -> Iterator[Part]:
        """What the page says about it."""
        it, its, be = ("it", "its", "it is") if len(self.going) == 1 else ("them", "their", "they are")
        shown = self.going if len(self.going) > 1 else ()
        if self.going and self.delete:
            says = f"{name_types(self.going)} will be deleted: programs get “not found” for {it} from then on."
            yield Part(f"{says} {its.capitalize()} history stays, and can be restored.", shown)
        elif self.going:
            says = f"{name_types(self.going)} will become inactive: programs get “not found” for {it} at once, and"
            yield Part(f"{says} screens leave {it} out.", shown)
        if self.already:
            nothing = f"nothing happens to {'it' if len(self.already) == 1 else 'them'}"
            yield Part(f"{count_types(len(self.already))} already inactive: {nothing}.", self.already)
        if self.parents:
            lists, those = ("lists", "that one") if len(self.parents) == 1 else ("list", "those")
            some = it if len(self.going) == 1 else "some of them"
            kept = f": {it} can't be deleted before {be} taken out there."
            left = f". If it stays there, readers of {those} still see {its} code, which leads nowhere."
            says = f"{count_types(len(self.parents))} {lists} {some} as a child{kept if self.delete else left}"
            yield Part(says, self.parents, warns=True)


def name_types(entities: Sequence[Entity]) -> str:
    """`Task`, `2 entity types`."""
    return entities[0].label if len(entities) == 1 else count_types(len(entities))
