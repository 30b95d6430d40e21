"""A measure, from the servers it needs to its section of docs/benchmarks.md; each has a module in `measures/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tests.figures import median

Results = Mapping[str, Any]


class Tabled(NamedTuple):
    """A table as rows of text, for console and page; the first column is text, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Requirement:
    """
    A promise of the issues or the design, and what a run measured.

    Attributes:
        figures: one for each round; if it is a ratio, both sides of it were measured within the same few seconds.
        unit: of figures that are no ratios, and no counts.
    """

    text: str
    sense: Literal["at least", "at most"]
    limit: float
    figures: tuple[float, ...]
    unit: str = ""

    @property
    def measured(self) -> float:
        """The median of the rounds."""
        return median(self.figures)

    @property
    def is_met(self) -> bool:
        return self.measured >= self.limit if self.sense == "at least" else self.measured <= self.limit


@dataclass(frozen=True)
class Measure:
    """
    One measure.

    Attributes:
        name: in options and figures.
        summary: for `--help`.
        heading: of its section; `text` stands below.
        run: gives the figures, for JSON, from a `Session`.
        table: of its figures; the second argument is all that the run found.
        requirements: of its figures.
        is_long: whether it is run only where it is asked for.
    """

    name: str
    summary: str
    heading: str
    text: str | None
    run: Callable[[Any], Any]
    table: Callable[[Any, Results], Tabled]
    requirements: Callable[[Any], list[Requirement]] = lambda _: []
    is_long: bool = False


def ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Round by round."""
    return tuple(a / b for a, b in zip(over, under, strict=True))


def ratio(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def from_to(values: Sequence[float], digits: int = 0) -> str:
    return f"{min(values):,.{digits}f} to {max(values):,.{digits}f}"


def spread(values: Sequence[float], digits: int = 0) -> tuple[str, str]:
    """Two cells: the median of the rounds, and the least and the most."""
    return f"{median(values):,.{digits}f}", from_to(values, digits)


def counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'none'} {count:,}" for name, count in sorted(counted.items())) or "-"
