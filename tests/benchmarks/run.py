"""One run from start to end: every chosen measure, on one session, as one dictionary for JSON."""

import contextlib
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from cache_layer.options import Options
from tests.benchmarks import measures
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.session import Plan, Session

Results = dict[str, Any]
QUIET = ("crowd", "throughput", "changes", "writers", "tail", "costs", "hits", "saves", "process", "many")
"""Those that need a quiet machine; the others start servers anew."""
ALWAYS = (*QUIET, "startup", "scaling", "behind", "ended")
LONG = ("lease", "memory")
"""Part of a run only where they are asked for."""
MEASURES: dict[str, Any] = {name: import_module(f"{measures.__name__}.{name}") for name in (*ALWAYS, *LONG)}
"""In the order in which they are run, and stand in the report."""


def is_whole(plan: Plan) -> bool:
    """Whether the report has every row."""
    return set(ALWAYS) <= set(plan.measures)


def run_benchmark(plan: Plan, results: Results, say: Callable[[str], None]) -> None:
    """
    Put into `results` what each measure finds, as soon as it has: a run that fails or is interrupted keeps the rest.

    Raises:
        StageFailed: a server did not start, or an answer was wrong.
    """
    missing = {name: reason for name, each in CONTENDERS.items() if (reason := each.get_ready())}
    say("starting PostgreSQL and Valkey")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-benchmark-")))
        session = Session(plan, directory, stack, missing, say)
        results |= {
            "lease_ms": Options.local_lease_ms,
            "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "many": plan.many},
            "machine": describe_machine(session),
            "missing": missing,
        }
        for name, measure in MEASURES.items():
            if name in plan.measures:
                say(name)
                results[name] = measure.measure(session)
