"""The required ratios: what issue and design promise, what a run measured, and whether that is kept."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

GROUP = 10
"""Single requests are compared by the medians of so many."""


@dataclass(frozen=True)
class Requirement:
    """
    One row.

    Attributes:
        ratios: one for each round: both sides of a ratio were measured within the same few seconds.
    """

    text: str
    sense: Literal["at least", "at most"]
    limit: float
    ratios: tuple[float, ...]

    @property
    def measured(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def is_met(self) -> bool:
        return self.measured >= self.limit if self.sense == "at least" else self.measured <= self.limit


def requirements(results: Mapping[str, Any]) -> list[Requirement]:
    """The rows that a run measured, in the order of the promise."""
    rows: list[Requirement] = []
    for measure, add in _ROWS.items():
        if measure in results:
            rows += add(results)
    return rows


def ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Round by round."""
    return tuple(a / b for a, b in zip(over, under, strict=True))


def medians(values: Sequence[float], size: int = GROUP) -> list[float]:
    """The median of each `size` values in a row; what is left over belongs to the last group."""
    groups = max(1, len(values) // size)
    return [statistics.median(values[n * size : (n + 1) * size if n < groups - 1 else None]) for n in range(groups)]


def _throughput(results: Mapping[str, Any]) -> list[Requirement]:
    found = {name: columns["per_second"] for name, columns in results["throughput"].items()}
    rows = (
        ("HTTP hit, express lane / constant WSGI answer", 0.8, "lane", "constant"),
        ("HTTP hit, express lane / classic", 12, "lane", "classic"),
        ("HTTP hit through Django / classic", 2, "django", "classic"),
    )
    return [
        Requirement(text, "at least", limit, ratios(found[over], found[under]))
        for text, limit, over, under in rows
        if over in found and under in found
    ]


def _process(results: Mapping[str, Any]) -> list[Requirement]:
    found = results["process"]
    return [
        Requirement(
            "`get_entity` from memory (L1) / dict lookup with a clock check",
            "at most",
            5,
            ratios(found["l1"], found["dict"]),
        ),
        Requirement(
            "`get_entity` from Redis (L2) / bare redis-py GET", "at most", 1.25, ratios(found["l2"], found["get"])
        ),
    ]


def _changes(results: Mapping[str, Any]) -> list[Requirement]:
    ours = [taken - results["lease_ms"] for taken in medians(results["changes"]["lane"])]
    return [
        Requirement(
            "PATCH less the drain / classic PATCH", "at most", 2, ratios(ours, medians(results["changes"]["classic"]))
        )
    ]


def _tail(results: Mapping[str, Any]) -> list[Requirement]:
    found = results["tail"]["p99_ms"]
    text = f"p99 of hits while a key is written {results['tail']['writes_per_second']} times a second / without"
    return [Requirement(text, "at most", 2, ratios(found["written"], found["quiet"]))]


def _many(results: Mapping[str, Any]) -> list[Requirement]:
    found, count = results["many"], f"{results['many']['count']:,}"
    bulk = found["bulk"]
    return [
        Requirement(
            f"hit in memory among {count} / among 25", "at most", 1.2, ratios(found["many"]["l1"], found["few"]["l1"])
        ),
        Requirement(
            f"hit in Redis among {count} / among 25", "at most", 1.2, ratios(found["many"]["l2"], found["few"]["l2"])
        ),
        Requirement(f"warming {count} / raw pipelined SET", "at most", 3, ratios(bulk["warm"], bulk["raw_warm"])),
        Requirement(
            f"clearing {count} / raw pipelined UNLINK",
            "at most",
            3,
            ratios(bulk["clear"], bulk["raw_clear"][: len(bulk["clear"])]),
        ),
    ]


_ROWS: dict[str, Callable[[Mapping[str, Any]], list[Requirement]]] = {
    "throughput": _throughput,
    "process": _process,
    "changes": _changes,
    "tail": _tail,
    "many": _many,
}
