"""
As `make torture` judges it, in a minute without faults: how long after a commit the last read began that returned the
old version. Five writers, and readers that are never idle, keep every core of the machine busy. The requirement was set
before the torture included people: three more writers that end tokens, and twelve more connections that read.
"""

from typing import Any

from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled
from tests.figures import quantile

SUMMARY = "how late SQL behind Django's back is seen, by a short torture"
HEADING = "SQL behind Django's back"
SECONDS = 60
"""The 99th percentile of half as many changes is the third that was slowest."""
REQUIRED = "entity types alone"
LOADS: dict[str, dict[str, int]] = {REQUIRED: {"people": 0, "people_readers": 0}, "people besides": {}}


def measure(session: Session) -> dict[str, Any]:
    """For each such change the milliseconds after its commit at which the last read began that gave the old version."""
    return {name: _measure(session, **chosen) for name, chosen in LOADS.items()}


def _measure(session: Session, **chosen: int) -> dict[str, Any]:
    outcome = session.torture(faults=frozenset({"raw"}), seconds=SECONDS, **chosen)
    return {
        "servers": outcome.plan.servers,
        "lag_ms": [round(lag, 2) for lag in outcome.verdict.behind_django.calm_lags_ms],
    }


def table(found: Results, _: Results) -> Tabled:
    rows = []
    for name, of_load in found.items():
        lags = of_load["lag_ms"]
        quantiles = (f"{quantile(lags, share):.0f}" for share in (0.5, 0.9, 0.99, 1))
        rows.append((f"{of_load['servers']} servers, {len(lags):,} changes, {name}", *quantiles))
    return Tabled("SQL behind Django's back, seen by every server", ("seen by", "p50, ms", "p90", "p99", "max"), rows)


def requirements(found: Results) -> list[Requirement]:
    p99 = quantile(found[REQUIRED]["lag_ms"], 0.99)
    return [Requirement("SQL behind Django's back seen by all, p99", "at most", 60, (p99,), "ms")]
