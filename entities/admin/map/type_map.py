"""Entity types with their parent-child links, and the part of them that a browser can draw quickly."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import TextChoices

from entities.models import Entity

MAX_TYPES = 300
MAX_LINKS = 600  # the browser needs about a second to lay out so many


class Show(TextChoices):
    """Which entity types the picture shows."""

    ALL = "all", "All"
    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Inactive"
    """These and their neighbours."""
    ORPHANS = "orphans", "Orphans"


@dataclass(frozen=True)
class MapType:
    """One entity type; `parents` and `children` are existing types in display order and may include itself."""

    code: str
    label: str
    icon: str
    is_active: bool
    parents: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)

    @property
    def other_parents(self) -> list[str]:
        return [code for code in self.parents if code != self.code]

    @property
    def other_children(self) -> list[str]:
        return [code for code in self.children if code != self.code]

    @property
    def is_root(self) -> bool:
        return bool(self.other_children) and not self.other_parents

    @property
    def is_leaf(self) -> bool:
        return bool(self.other_parents) and not self.other_children

    @property
    def is_orphan(self) -> bool:
        return not self.other_parents and not self.other_children


@dataclass(frozen=True)
class Picture:
    """The part that is drawn; `around` is the type at its centre, unless it is the whole map."""

    codes: list[str]
    around: str
    left_out: int


class TypeMap:
    """All entity types by code, in display order."""

    def __init__(self, rows: Iterable[tuple[str, str, str, bool, list[str]]]) -> None:
        """Each row: code, label, icon, whether it is active, and the codes it lists as children."""
        self.types: dict[str, MapType] = {}
        self.missing: dict[str, list[str]] = {}
        """Codes listed as children that do not exist, with the types that list them."""
        listed: dict[str, list[str]] = {}
        for code, label, icon, is_active, children in rows:
            self.types[code] = MapType(code, label, icon, is_active)
            listed[code] = children
        for parent, children in listed.items():
            for child in children:
                if child in self.types:
                    self.types[parent].children.append(child)
                    self.types[child].parents.append(parent)
                else:
                    self.missing.setdefault(child, []).append(parent)

    @cached_property
    def links(self) -> int:
        return sum(len(each.children) for each in self.types.values())

    @cached_property
    def roots(self) -> list[MapType]:
        return [each for each in self.types.values() if each.is_root]

    @cached_property
    def leaves(self) -> list[MapType]:
        return [each for each in self.types.values() if each.is_leaf]

    @cached_property
    def orphans(self) -> list[MapType]:
        return [each for each in self.types.values() if each.is_orphan]

    @cached_property
    def inactive(self) -> list[MapType]:
        return [each for each in self.types.values() if not each.is_active]

    @cached_property
    def inactive_children(self) -> list[MapType]:
        """Inactive types that others still list."""
        return [each for each in self.inactive if each.other_parents]

    def find(self, text: str) -> str | None:
        """The code of the type with this name, else of the first with `text` in its label or code."""
        wanted = text.strip().casefold()
        if wanted in self.types:
            return wanted
        labels = {each.label.casefold(): each.code for each in reversed(self.types.values())}
        if wanted in labels:
            return labels[wanted]
        similar = (each.code for each in self.types.values() if wanted in each.code or wanted in each.label.casefold())
        return next(similar, None)

    def draw(self, show: Show = Show.ALL, around: str = "", levels: int = 2) -> Picture:
        """What to draw: all that `show` selects or, if that is too much, what is within `levels` links of one type."""
        wanted = self._named(show)
        linked = [code for code in wanted if self._neighbours(code) & wanted.keys()]
        drawn = self._within_limits(linked)
        if not around and len(drawn) == len(linked):
            chosen = self._within_limits([*linked, *(code for code in wanted if code not in drawn)])
            return Picture(_ordered(wanted, chosen), "", len(wanted) - len(chosen))
        middle = around or max(linked, key=lambda code: len(self._neighbours(code) & wanted.keys()))
        near = self._near(middle, wanted, levels)
        chosen = self._within_limits(near)
        return Picture(_ordered(self.types, chosen), middle, len(near) - len(chosen))

    def _named(self, show: Show) -> dict[str, None]:
        if show == Show.ACTIVE:
            codes = {each.code for each in self.types.values() if each.is_active}
        elif show == Show.INACTIVE:
            inactive = [each.code for each in self.inactive]
            codes = set(inactive).union(*map(self._neighbours, inactive))
        elif show == Show.ORPHANS:
            codes = {each.code for each in self.orphans}
        else:
            codes = set(self.types)
        return dict.fromkeys(_ordered(self.types, codes))

    def _neighbours(self, code: str) -> set[str]:
        return {*self.types[code].other_parents, *self.types[code].other_children}

    def _near(self, middle: str, wanted: Collection[str], levels: int) -> list[str]:
        """Those of `wanted` within `levels` links of `middle`, nearest first."""
        near = {middle: None}
        latest = [middle]
        for _ in range(levels):
            found = {code for each in latest for code in self._neighbours(each) if code in wanted and code not in near}
            latest = _ordered(self.types, found)
            near |= dict.fromkeys(latest)
        return list(near)

    def _within_limits(self, codes: Iterable[str]) -> set[str]:
        """The first of `codes`, as many as can be drawn."""
        drawn: set[str] = set()
        links = 0
        for code in codes:
            each = self.types[code]
            ends = [*each.children, *each.other_parents]
            links += sum(end in drawn or end == code for end in ends)
            if len(drawn) == MAX_TYPES or links > MAX_LINKS:
                break
            drawn.add(code)
        return drawn


def read_type_map() -> TypeMap:
    """The map of the current database, in one query."""
    return TypeMap(Entity.objects.values_list("code", "label", "icon", "active_flag", "child_entity_codes"))


def _ordered(order: Iterable[str], codes: Collection[str]) -> list[str]:
    return [code for code in order if code in codes]
