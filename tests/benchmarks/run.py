"""One run from start to end: every chosen measure, on one stage, as one dictionary for JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cache_layer.options import Options
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.generators import find_generator
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.measures import (
    behind,
    changes,
    costs,
    crowd,
    ended,
    hits,
    lease,
    many,
    memory,
    saves,
    scaling,
    startup,
    tail,
    throughput,
    writers,
)
from tests.benchmarks.plan import Plan
from tests.benchmarks.session import Session
from tests.benchmarks.stage import prepared_stage

Results = dict[str, Any]

RUN: dict[str, Callable[[Session], Any]] = {
    "crowd": crowd.measure_crowd,
    "throughput": throughput.measure_throughput,
    "changes": changes.measure_changes,
    "writers": writers.measure_writers,
    "tail": tail.measure_tail,
    "costs": costs.measure_costs,
    "hits": hits.measure_hits,
    "ended": ended.measure_ended,
    "saves": saves.measure_saves,
    "process": many.measure_process,
    "many": many.measure_many,
    "startup": startup.measure_startup,
    "scaling": scaling.measure_scaling,
    "behind": behind.measure_behind,
    "lease": lease.measure_lease,
    "memory": memory.measure_memory,
}
"""In this order: those that need a quiet machine before those that start servers anew."""


def run_benchmark(plan: Plan, results: Results, say: Callable[[str], None], keep: Path | None = None) -> None:
    """
    Put into `results` what each measure finds, as soon as it has: a run that fails or is interrupted keeps the rest.

    Raises:
        StageFailed: a server did not start, or an answer was wrong.
    """
    generator = find_generator(bundled=plan.bundled)
    missing = {name: reason for name, each in CONTENDERS.items() if (reason := each.get_ready())}
    say("starting PostgreSQL and Valkey")
    with prepared_stage(keep) as stage:
        stage.insert_rows(many=plan.many if "many" in plan.measures else 0)
        session = Session(plan, stage, generator, missing, say)
        results |= {
            "lease_ms": Options.local_lease_ms,
            "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "many": plan.many},
            "machine": describe_machine(stage, generator),
            "missing": missing,
        }
        for name, measure in RUN.items():
            if name in plan.measures:
                say(name)
                results[name] = measure(session)
