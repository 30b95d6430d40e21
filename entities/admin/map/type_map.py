"""Entity types with their parent-child links, and the part of them that a browser can draw quickly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from django.db.models import TextChoices
from django.utils.safestring import SafeString

from entities.admin.widgets import draw_icon
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


@dataclass(frozen=True, eq=False, repr=False)
class MapType:
    """One entity type; `parents` and `children` are existing types in display order and may include itself."""

    code: str
    label: str = ""
    icon: str = ""
    active_flag: bool = False
    child_codes: list[str] = field(default_factory=list)
    parents: list[MapType] = field(default_factory=list)
    children: list[MapType] = field(default_factory=list)

    @property
    def other_parents(self) -> list[MapType]:
        return [each for each in self.parents if each is not self]

    @property
    def other_children(self) -> list[MapType]:
        return [each for each in self.children if each is not self]

    @cached_property
    def neighbours(self) -> set[MapType]:
        return {*self.other_parents, *self.other_children}

    @property
    def drawing(self) -> SafeString:
        return draw_icon(self.icon)

    @property
    def is_root(self) -> bool:
        return bool(self.other_children) and not self.other_parents

    @property
    def is_leaf(self) -> bool:
        return bool(self.other_parents) and not self.other_children


class Link(NamedTuple):
    """That one type lists another, by their codes; `is_implied` if a longer way leads there too."""

    parent: str
    child: str
    is_implied: bool = False


@dataclass(frozen=True)
class Picture:
    """
    The part that is drawn.

    Attributes:
        middle: the type that it is drawn around; None if it is the whole map.
        left_out: how many types more there would be.
        is_star: whether it has all links of the type in the middle, and no others.
    """

    types: list[MapType]
    middle: MapType | None
    left_out: int
    links: list[Link]
    is_star: bool = False


class TypeMap:
    """All entity types by code, in display order."""

    def __init__(self, rows: Iterable[tuple[str, str, str, bool, list[str]]]) -> None:
        """Each row: code, label, icon, whether it is active, and the codes it lists as children."""
        self.types = {row[0]: MapType(*row) for row in rows}
        self.missing: dict[str, MapType] = {}
        """Codes listed as children that do not exist: with their parents, and nothing else."""
        for parent in self.types.values():
            for code in parent.child_codes:
                if child := self.types.get(code):
                    parent.children.append(child)
                else:
                    child = self.missing.setdefault(code, MapType(code))
                child.parents.append(parent)

    @cached_property
    def links(self) -> int:
        return sum(len(each.children) for each in self.types.values())

    @cached_property
    def orphans(self) -> list[MapType]:
        return [each for each in self.types.values() if not each.neighbours]

    @cached_property
    def inactive(self) -> list[MapType]:
        return [each for each in self.types.values() if not each.active_flag]

    @cached_property
    def inactive_children(self) -> list[MapType]:
        """Inactive types that others still list."""
        return [each for each in self.inactive if each.other_parents]

    def find(self, text: str) -> MapType | None:
        """The type with this code or label, else the first that begins with `text`, or has it."""
        wanted = text.strip().casefold()
        if wanted in self.types:
            return self.types[wanted]
        for fits in (str.__eq__, str.startswith, str.__contains__):
            for each in self.types.values():
                if fits(each.code, wanted) or fits(each.label.casefold(), wanted):
                    return each
        return None

    def draw(self, show: Show = Show.ALL, around: MapType | None = None, levels: int = 2) -> Picture:
        """What to draw: all that `show` selects or, if that is too much, what is within `levels` links of one type."""
        wanted = self._wanted(show)
        shown = set(wanted)
        linked = [each for each in wanted if each.neighbours & shown]
        drawn = _within_limits(linked)
        if not around and len(drawn) == len(linked):
            chosen = _within_limits([*linked, *(each for each in wanted if each not in drawn)])
            types = _ordered(wanted, chosen)
            return Picture(types, None, len(wanted) - len(chosen), _links(types))
        middle = around or max(linked, key=lambda each: len(each.neighbours & shown))
        near = self._near(middle, shown, levels)
        chosen = _within_limits(near)
        types = _ordered(self.types.values(), chosen)
        links = _links(types)
        if is_star := levels == 1:
            links = [link._replace(is_implied=False) for link in links if middle.code in link[:2]]
        return Picture(types, middle, len(near) - len(chosen), links, is_star)

    def _wanted(self, show: Show) -> list[MapType]:
        if show == Show.ACTIVE:
            return [each for each in self.types.values() if each.active_flag]
        if show == Show.INACTIVE:
            near = {*self.inactive}.union(*(each.neighbours for each in self.inactive))
            return _ordered(self.types.values(), near)
        return self.orphans if show == Show.ORPHANS else list(self.types.values())

    def _near(self, middle: MapType, shown: Collection[MapType], levels: int) -> list[MapType]:
        """Those of `shown` within `levels` links of `middle`, nearest first."""
        near = {middle: None}
        latest = [middle]
        for _ in range(levels):
            found = {each for one in latest for each in one.neighbours if each in shown and each not in near}
            latest = _ordered(self.types.values(), found)
            near |= dict.fromkeys(latest)
        return list(near)


def _within_limits(types: Iterable[MapType]) -> set[MapType]:
    """The first of these, as many as can be drawn."""
    drawn: set[MapType] = set()
    links = 0
    for each in types:
        links += sum(end in drawn or end is each for end in [*each.children, *each.other_parents])
        if len(drawn) == MAX_TYPES or links > MAX_LINKS:
            break
        drawn.add(each)
    return drawn


def _links(types: list[MapType]) -> list[Link]:
    """The links between these types; without the implied ones a picture is easier to follow, and loses no way."""
    codes = {each.code for each in types}
    links = [(each.code, child.code) for each in types for child in each.children if child.code in codes]
    children: defaultdict[str, set[str]] = defaultdict(set)
    for parent, child in links:
        children[parent].add(child)
    marked = []
    for parent, child in links:
        children[parent].discard(child)
        is_implied = parent != child and _leads(children, parent, child)
        if not is_implied:
            children[parent].add(child)
        marked.append(Link(parent, child, is_implied))
    return marked


def _leads(children: defaultdict[str, set[str]], start: str, end: str) -> bool:
    seen, ends = {start}, [start]
    while ends and end not in seen:
        found = children[ends.pop()] - seen
        seen |= found
        ends += found
    return end in seen


def read_type_map() -> TypeMap:
    """The map of the current database, in one query."""
    return TypeMap(Entity.objects.values_list("code", "label", "icon", "active_flag", "child_entity_codes"))


def _ordered(order: Iterable[MapType], types: Collection[MapType]) -> list[MapType]:
    return [each for each in order if each in types]
