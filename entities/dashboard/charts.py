"""Series as the charts and the tables behind them show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cache_layer.analytics import HOUR_SECONDS, Series
from cache_layer.reporting import FOLD_SECONDS
from entities.dashboard.counted import passed_seconds

SOURCES = {"L1": "L1, memory", "L2": "L2, Redis", "DB": "Database", "BYPASS": "Bypass", "STALE": "Stale"}
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


def chart_reads(series: Series, *, reported_every: int) -> dict[str, Any]:
    """
    Reads a second by where they came from.

    The present step is left out while some servers may not have reported in it.
    """
    seconds: list[float | None] = [float(series.step_seconds)] * len(series.counts)
    passed = passed_seconds(series)
    seconds[-1] = passed if passed > reported_every + FOLD_SECONDS else None
    return {
        "labels": _labels(series),
        "datasets": [
            {
                "name": name,
                "values": [
                    _three_digits(counts.get(f"reads:{source}", 0) / length) if length else None
                    for counts, length in zip(series.counts, seconds, strict=True)
                ],
            }
            for source, name in SOURCES.items()
        ],
    }


def chart_invalidations(series: Series) -> dict[str, Any]:
    """What entries were dropped by, in each step."""
    return {
        "labels": _labels(series),
        "datasets": [
            {"name": name, "values": [counts.get(_cause_count(cause), 0) for counts in series.counts]}
            for cause, name in CAUSES.items()
        ],
    }


def _three_digits(number: float) -> float:
    return float(f"{number:.3g}")


def _cause_count(cause: str) -> str:
    return "ended:expired" if cause == "expired" else f"invalidations:{cause}"


def _labels(series: Series) -> list[str]:
    week = len(series.starts_s) * series.step_seconds > 24 * HOUR_SECONDS
    shape = "%a %d, %H:%M" if week else "%H:%M"
    return [datetime.fromtimestamp(start, UTC).strftime(shape) for start in series.starts_s]
