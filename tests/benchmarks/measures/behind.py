"""How late every server sees what is changed by SQL behind Django's back: as the torture judges it, without faults."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.session import Session
from tests.torture.plan import Plan
from tests.torture.run import run_torture

SECONDS = 30


def measure_behind(session: Session) -> dict[str, Any]:
    """For each such change the milliseconds after its commit at which the last read began that gave the old version."""
    plan = Plan(seconds=SECONDS, faults=frozenset({"raw"}), seed=session.plan.seed, quiet_writes=0)
    with session.stage.cores.given(session.stage.cores.all):
        outcome = run_torture(plan)
    return {"servers": plan.servers, "lag_ms": [round(lag, 2) for lag in outcome.verdict.calm_raw_lags]}
