"""Which combinations are tried: one axis at a time from what `make test` uses, all the oldest and all the newest."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.matrix.axes import DECLARED, OLDEST_PYTHON, Part

AXES = tuple(DECLARED)
DEFAULT = {
    "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "Django": "5.2",
    "PostgreSQL": "18",
    "Redis": "Valkey 9",
}


@dataclass(frozen=True)
class Combination:
    """One part of each axis."""

    python: Part
    django: Part
    postgres: Part
    redis: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.python, self.django, self.postgres, self.redis

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))


def plan_combinations(parts: Iterable[Part]) -> list[Combination]:
    """
    The default first, then each other version in its place, then the extremes; each once, of what can be had.

    A Django that does not run on a combination's Python gets the oldest here that it runs on; if there is none, it is
    left out.
    """
    axes = {axis: [part for part in parts if part.axis == axis and part.where] for axis in AXES}
    chosen = {axis: next((part for part in had if part.name == DEFAULT[axis]), had[-1]) for axis, had in axes.items()}
    default = _combine(axes, chosen)
    varied = [_combine(axes, chosen | {axis: part}) for axis, had in axes.items() for part in had]
    oldest, newest = ({axis: had[place] for axis, had in axes.items()} for place in (0, -1))
    planned = [default, *varied, _combine(axes, oldest), _combine(axes, newest)]
    return [each for each in dict.fromkeys(planned) if _fits(each.python, each.django)]


def _combine(axes: dict[str, list[Part]], chosen: dict[str, Part]) -> Combination:
    combination = Combination(*(chosen[axis] for axis in AXES))
    if _fits(combination.python, combination.django):
        return combination
    fitting = (part for part in axes["Python"] if _fits(part, combination.django))
    return replace(combination, python=next(fitting, combination.python))


def _fits(python: Part, django: Part) -> bool:
    return _number(python.name) >= _number(OLDEST_PYTHON[django.name])


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
