"""What measures make of their figures: tables and requirements."""

from collections.abc import Mapping, Sequence
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
