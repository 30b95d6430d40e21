"""The required figures: what issues and design promise, what a run measured, and whether that is kept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.benchmarks.measures.crowd import cell
from tests.benchmarks.measures.saves import count_waits
from tests.benchmarks.rows import ALL, HOT
from tests.torture.run import quantile

GROUP = 10
"""Single requests are compared by the medians of so many."""
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Requirement:
    """
    One row.

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
        return statistics.median(self.figures)

    @property
    def is_met(self) -> bool:
        return self.measured >= self.limit if self.sense == "at least" else self.measured <= self.limit


def requirements(results: Results) -> list[Requirement]:
    """The rows that a run measured, in the order of the promise."""
    rows: list[Requirement] = []
    for measure, add in _ROWS.items():
        if measure in results:
            rows += add(results[measure])
    return rows


def ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Round by round."""
    return tuple(a / b for a, b in zip(over, under, strict=True))


def medians(values: Sequence[float], size: int = GROUP) -> list[float]:
    """The median of each `size` values in a row; what is left over belongs to the last group."""
    groups = max(1, len(values) // size)
    return [statistics.median(values[n * size : (n + 1) * size if n < groups - 1 else None]) for n in range(groups)]


def _crowd(found: Results) -> list[Requirement]:
    evenly = f"200 tokens x {ALL:,} types, read evenly"
    rows = (
        ("one token x 25 types / constant WSGI answer", 0.8, (1, HOT), "constant"),
        ("200 tokens x 25 types / constant", 0.75, (200, HOT), "constant"),
        ("2,000 tokens x 25 types / constant", 0.6, (2_000, HOT), "constant"),
        (f"{evenly} / the same in Node", 0.4, (200, ALL), "node"),
        (f"{evenly} / classic", 4, (200, ALL), "classic"),
    )
    return [
        Requirement(text, "at least", limit, ratios(here["lane"]["per_second"], here[under]["per_second"]))
        for text, limit, where, under in rows
        if {"lane", under} <= (here := found[cell(*where)]).keys()
    ]


def _throughput(found: Results) -> list[Requirement]:
    rows = (
        ("HTTP hit, express lane / classic", 12, "lane", "classic"),
        ("HTTP hit through Django / classic", 2, "django", "classic"),
    )
    return [
        Requirement(text, "at least", limit, ratios(found[over]["per_second"], found[under]["per_second"]))
        for text, limit, over, under in rows
        if over in found and under in found
    ]


def _process(found: Results) -> list[Requirement]:
    rows = (
        ("`get_entity` from memory (L1) / dict lookup with a clock check", 5, "l1", "dict"),
        ("`get_entity` from Redis (L2) / bare redis-py GET", 1.25, "l2", "get"),
    )
    return [Requirement(text, "at most", limit, ratios(found[over], found[under])) for text, limit, over, under in rows]


def _hits(found: Results) -> list[Requirement]:
    text = f"PostgreSQL queries for {found['hits']:,} hits by {found['tokens']} tokens within 10 s"
    return [Requirement(text, "at most", 0, (found["statements"],))]


def _ended(found: Results) -> list[Requirement]:
    reads, accepted = (sum(each[name] for each in found.values()) for name in ("reads", "accepted"))
    text = "reads that begin after a logout, deactivation or new password was answered, and are accepted, of a million"
    return [Requirement(text, "at most", 0, (math.ceil(accepted / reads * 1e6),))]


def _changes(found: Results) -> list[Requirement]:
    text = "PATCH p50, all included / classic PATCH: "
    quiet, read = found["quiet"], found["read"]
    beside = [[statistics.median(taken) for taken in read[name]] for name in ("lane", "classic")]
    return [
        Requirement(f"{text}nobody reading", "at most", 2, ratios(medians(quiet["lane"]), medians(quiet["classic"]))),
        Requirement(f"{text}16 readers of the same key", "at most", 2.5, ratios(*beside)),
    ]


def _costs(found: Sequence[Results]) -> list[Requirement]:
    text = "statements to PostgreSQL in a PATCH, BEGIN and COMMIT aside"
    ours = [each for each in found if each["contender"] == "django" and each["kind"] == "PATCH"]
    return [Requirement(text, "at most", 5, (each["queries"],)) for each in ours]


def _saves(found: Results) -> list[Requirement]:
    text = f"{found['saves']} saves one by one in one `atomic`: waits"
    return [Requirement(text, "at most", 1, tuple(count_waits(found)))]


def _writers(found: Results) -> list[Requirement]:
    text = "six writers on six keys beside twelve readers: acknowledged writes a second / classic"
    return [Requirement(text, "at least", 0.6, ratios(found["lane"]["writes"], found["classic"]["writes"]))]


def _behind(found: Results) -> list[Requirement]:
    return [
        Requirement(
            "SQL behind Django's back seen by all, p99", "at most", 60, (quantile(found["lag_ms"], 0.99),), "ms"
        )
    ]


def _tail(found: Results) -> list[Requirement]:
    text = f"p99 of hits while a key is written {found['writes_per_second']} times a second / without"
    return [Requirement(text, "at most", 2, ratios(found["p99_ms"]["written"], found["p99_ms"]["quiet"]))]


def _many(found: Results) -> list[Requirement]:
    count, few, many, bulk = f"{found['count']:,}", found["few"], found["many"], found["bulk"]
    rows = (
        (f"hit in memory among {count} / among 25", 1.2, many["l1"], few["l1"]),
        (f"hit in Redis among {count} / among 25", 1.2, many["l2"], few["l2"]),
        (f"warming {count} / raw pipelined SET", 3, bulk["warm"], bulk["raw_warm"]),
        (f"clearing {count} / raw pipelined UNLINK", 3, bulk["clear"], bulk["raw_clear"][: len(bulk["clear"])]),
    )
    return [Requirement(text, "at most", limit, ratios(over, under)) for text, limit, over, under in rows]


_ROWS: dict[str, Callable[[Any], list[Requirement]]] = {
    "crowd": _crowd,
    "hits": _hits,
    "ended": _ended,
    "changes": _changes,
    "costs": _costs,
    "saves": _saves,
    "writers": _writers,
    "behind": _behind,
    "throughput": _throughput,
    "process": _process,
    "tail": _tail,
    "many": _many,
}
