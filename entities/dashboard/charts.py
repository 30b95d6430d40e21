"""Series as shown by the charts and the tables behind them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cache_layer.inspect import Series, Span

SOURCES = {
    "L1": "Memory (L1)",
    "L2": "Redis (L2)",
    "DB": "Database, then cached",
    "BYPASS": "Database, not cached",
    "STALE": "Last known value",
}
"""Where reads come from."""
CAUSES = {
    "admin": "Admin",
    "api": "API",
    "command": "Command",
    "sql": "SQL",
    "expired": "Expiry",
    "clear": "By hand",
    "audit": "Audit",
    "restart": "Restart",
}
"""What ends an entry's life; everything but the expiry is an invalidation."""


def chart_reads(series: Series, hour: Series) -> dict[str, Any]:
    """
    Reads per second by source; None where nothing was reported, or not all of it yet.

    Args:
        hour: the last hour by minute, from which a longer span's current step is computed.
    """
    whole = series.whole()
    found = dict(zip(whole.starts_s, whole.counts, strict=True))
    seconds: dict[int, float] = dict.fromkeys(found, series.step_seconds)
    present = series.starts_s[-1]
    minutes = hour.whole()
    begun = [counts for start, counts in zip(minutes.starts_s, minutes.counts, strict=True) if start >= present]
    if begun and series.step_seconds > hour.step_seconds:
        seconds[present] = hour.step_seconds * len(begun)
        found[present] = dict(sum((Counter(counts) for counts in begun), Counter()))
    rates = [
        {name: float(f"{count / seconds[start]:.3g}") for name, count in found[start].items()} if start in found else {}
        for start in series.starts_s
    ]
    return _chart(series, {f"reads:{source}": name for source, name in SOURCES.items()}, rates)


def chart_invalidations(series: Series) -> dict[str, Any]:
    """What dropped entries in each step; None where nothing was reported."""
    names = {
        "ended:expired" if cause == "expired" else f"invalidations:{cause}": name for cause, name in CAUSES.items()
    }
    return _chart(series, names, series.counts)


def _chart(series: Series, names: Mapping[str, str], steps: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """A chart of these counts by step; an empty step is not drawn."""
    week = len(series.starts_s) * series.step_seconds > Span.DAY.value[0]
    shape = "%a %d, %H:%M" if week else "%H:%M"
    return {
        "labels": [datetime.fromtimestamp(start, UTC).strftime(shape) for start in series.starts_s],
        "datasets": [
            {"label": name, "data": [step.get(count, 0) if step else None for step in steps]}
            for count, name in names.items()
        ],
    }


def tabulate(chart: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The chart's steps as rows of text, newest first; none if there is nothing but zeros."""
    columns = [dataset["data"] for dataset in chart["datasets"]]
    if not any(map(any, columns)):
        return []
    steps = list(zip(chart["labels"], *columns, strict=True))[::-1]
    return [(label, ["not known" if cell is None else f"{cell:,.10g}" for cell in cells]) for label, *cells in steps]
