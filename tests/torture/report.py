"""What people are shown of outcomes."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.pretty import Pretty
from rich.table import Table

from tests.figures import median, quantile
from tests.torture.judge import Behind, Verdict
from tests.torture.plan import FAULTS, HITS, MOVES, TAKEOVERS, name_faults
from tests.torture.run import Outcome

MILLION = 1_000_000
COMPARED = ("reads", "stale", "stale_per_million", "inversions", "inversions_with_hold_lost")
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def summarize(outcome: Outcome) -> dict[str, Any]:
    """All figures of a run."""
    plan, verdict, rights = outcome.plan, outcome.verdict, outcome.rights
    drain_ms = plan.lease_ms if plan.algorithm == "ours" else 0
    quiet_ms = median(outcome.quiet_write_ms)
    return {
        "reads_per_second": round(verdict.reads / outcome.seconds),
        "faults": dict(Counter(window.fault for window in outcome.windows)),
        "usable_again_ms": _shares([float(window.note) for window in outcome.windows if window.fault in TAKEOVERS]),
        **_figures(verdict),
        "stale_per_million": round(verdict.stale * MILLION / max(1, verdict.reads)),
        "failed_reads": dict(outcome.failures),
        "not_converged": outcome.not_converged,
        "audit": outcome.audited,
        "people": _figures(rights)
        | {"accepted_after_end_per_million": round(rights.stale * MILLION / max(1, rights.uses_after_end.total()))},
        "patch_ms": {
            "quiet": _number(quiet_ms),
            "quiet_without_drain": _number(quiet_ms - drain_ms),
            "under_load": _number(median(outcome.loaded_write_ms)),
        },
        "broken_promises": outcome.broken_promises(),
    }


def _figures(verdict: Verdict | Behind) -> dict[str, Any]:
    """Those of a verdict, under its names; of many durations the quantiles."""
    found: dict[str, Any] = {}
    for each in fields(verdict):
        value = getattr(verdict, each.name)
        match value:
            case Behind():
                found[each.name] = {"changes": len(value.lags_ms), "calm_changes": len(value.calm_lags_ms)}
                found[each.name] |= _figures(value)
            case list() if each.name != "examples":
                found[each.name] = _shares(value)
            case int():
                found[each.name] = value
            case Counter():
                found[each.name] = dict(value.most_common())
    return found


def print_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The outcomes of one plan side by side: all that `summarize` has, under its names."""
    plan = outcomes[0].plan
    size = f"{plan.servers} servers, {plan.writers} writers, {plan.readers} readers, {plan.keys} keys"
    if plan.people_slots:
        size += f"; people: {len(plan.people_slots)} writers, {plan.people_readers} readers"
    console.print(f"{plan.seconds:g} s, faults: {name_faults(plan.faults)}; {size}", style="italic", markup=False)
    figures = [Panel(Pretty(summarize(each), expand_all=True), title=each.plan.algorithm) for each in outcomes]
    console.print(Columns(figures))


def print_per_fault(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One line for each outcome."""
    table = Table("fault", "algorithm", title="Each fault alone", title_justify="left")
    for name in (*COMPARED, "stale for, ms", "keys wrong"):
        table.add_column(name.replace("_", " "), justify="right")
    for outcome in outcomes:
        found, wrong_keys = summarize(outcome), {text.rpartition(" ")[2] for text in outcome.not_converged}
        cells = [*(found[name] for name in COMPARED), found["stale_ms"].get("max", 0), len(wrong_keys)]
        table.add_row(name_faults(outcome.plan.faults), outcome.plan.algorithm, *(f"{cell:,.0f}" for cell in cells))
    console.print(table)


def print_failures(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Broken promises, each with some of the reads that broke it."""
    for outcome in outcomes:
        if broken := outcome.broken_promises():
            console.print(f"Broken with faults {name_faults(outcome.plan.faults)}:", style="bold red")
            for text in (*broken, *outcome.verdict.examples, *outcome.rights.examples, *outcome.not_converged):
                console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)


def _shares(values: Sequence[float]) -> dict[str, float]:
    return {name: round(quantile(values, share), 1) for name, share in SHARES.items()} if values else {}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)


def faults_help() -> str:
    """One line for each fault."""
    return "\n".join(f"  {name:<14} {text}" for name, text in (FAULTS | TAKEOVERS | HITS | MOVES).items())
