"""Every table of the report, by the name of its measure, and the one of what is required."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.benchmarks.report import inside, served
from tests.benchmarks.report.ratios import requirements
from tests.benchmarks.report.tabled import Tabled, ratio

_TABLES: dict[str, Callable[[Mapping[str, Any]], Tabled]] = {
    "crowd": served.crowd,
    "throughput": served.throughput,
    "changes": served.changes,
    "writers": served.writers,
    "lease": served.lease,
    "costs": inside.costs,
    "hits": inside.hits,
    "ended": inside.ended,
    "saves": inside.saves,
    "behind": inside.behind,
    "process": inside.process,
    "tail": served.tail,
    "many": inside.many,
    "memory": inside.memory,
    "startup": inside.startup,
    "scaling": served.scaling,
}
"""In the order of the report."""


def all_tables(results: Mapping[str, Any]) -> dict[str, Tabled]:
    """The tables that a run has figures for, by name."""
    made = {"required": required(results)} if requirements(results) else {}
    return made | {name: make(results) for name, make in _TABLES.items() if name in results}


def required(results: Mapping[str, Any]) -> Tabled:
    rows = [
        (
            row.text,
            f"{row.sense} {row.limit:g}{row.unit and f' {row.unit}'}",
            _figure(row.measured),
            f"{_figure(min(row.figures))} to {_figure(max(row.figures))}",
            "yes" if row.is_met else "NO",
        )
        for row in requirements(results)
    ]
    return Tabled("The required figures", ("measure", "required", "measured", "rounds from to", "met"), rows)


def _figure(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 100 else ratio(value)
