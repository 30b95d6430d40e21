"""What people and programs are shown of outcomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.figures import median, quantile
from tests.torture.plan import FAULTS, HITS, MOVES, TAKEOVERS, Plan, name_faults
from tests.torture.rights import RightsVerdict
from tests.torture.run import Outcome

MILLION = 1_000_000
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def summarize(outcome: Outcome) -> dict[str, Any]:
    """All figures of a run, for JSON."""
    verdict = outcome.verdict
    return {
        "plan": asdict(outcome.plan) | {"faults": name_faults(outcome.plan.faults), "hold_ms": outcome.plan.hold_ms},
        "seconds": outcome.seconds,
        "reads": verdict.reads,
        "reads_per_second": round(verdict.reads / outcome.seconds),
        "sources": dict(verdict.sources),
        "writes": dict(verdict.outcomes),
        "kinds_of_writes": dict(verdict.kinds),
        "faults": dict(Counter(window.fault for window in outcome.windows)),
        "usable_again_ms": _shares([float(window.note) for window in outcome.windows if window.fault in TAKEOVERS]),
        "stale": verdict.stale,
        "stale_per_million": round(verdict.stale * MILLION / max(1, verdict.reads)),
        "stale_ms": _shares(verdict.stale_ms),
        "announced": verdict.announced,
        "inversions": verdict.inversions,
        "inversion_ms": _shares(verdict.inversion_ms),
        "inversions_with_hold_lost": verdict.excused,
        "inversions_behind_django": verdict.raw_inversions,
        "phantoms": verdict.phantoms,
        "lost_writes": verdict.lost,
        "behind_django": {
            "changes": len(verdict.raw_lags),
            "stale_reads": verdict.raw_stale,
            "lag_ms": _shares(verdict.raw_lags),
            "changes_undisturbed": len(verdict.calm_raw_lags),
            "lag_ms_undisturbed": _shares(verdict.calm_raw_lags),
            "lags_ms_undisturbed": [round(lag, 1) for lag in sorted(verdict.calm_raw_lags)],
        },
        "failed_reads": dict(outcome.failures),
        "not_converged": outcome.not_converged,
        "audit": outcome.audited,
        "people": _summarize_rights(outcome.rights),
        "patch_ms": {
            "quiet": _number(median(outcome.quiet_write_ms)),
            "quiet_without_drain": _number(median(outcome.quiet_write_ms) - drain_ms(outcome.plan)),
            "under_load": _number(median(outcome.loaded_write_ms)),
        },
        "broken_promises": outcome.broken_promises(),
        "examples": [*verdict.examples, *outcome.rights.examples],
    }


def _summarize_rights(found: RightsVerdict) -> dict[str, Any]:
    return {
        "accepted": found.accepted,
        "refused": found.refused,
        "endings": dict(found.outcomes),
        "kinds_of_endings": dict(found.kinds),
        "ended_while_used": dict(found.watched),
        "ended_while_used_on_every_server": found.watched_everywhere,
        "uses_after_end": found.late.total(),
        "accepted_after_end": found.accepted_late.total(),
        "accepted_after_end_per_million": round(found.accepted_late.total() * MILLION / max(1, found.late.total())),
        "accepted_after_end_ms": _shares(found.accepted_late_ms),
        "announced": found.announced,
        "refused_before_end": found.refused_early,
        "behind_django": {
            "endings": len(found.raw_lags),
            "accepted_after_end": found.raw_accepted,
            "lag_ms": _shares(found.raw_lags),
            "endings_undisturbed": len(found.calm_raw_lags),
            "lag_ms_undisturbed": _shares(found.calm_raw_lags),
        },
    }


def drain_ms(plan: Plan) -> int:
    """How long a write waits for the copies in other processes' memory."""
    return plan.lease_ms if plan.algorithm == "ours" else 0


def print_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The outcomes of one plan side by side."""
    summaries = [summarize(outcome) for outcome in outcomes]
    plan = outcomes[0].plan
    size = f"{plan.servers} servers, {plan.writers} writers, {plan.readers} readers, {plan.keys} keys"
    if plan.people_slots:
        size += f"; people: {len(plan.people_slots)} writers, {plan.people_readers} readers"
    table = Table(title=f"{plan.seconds:g} s, faults: {name_faults(plan.faults)}; {size}", title_justify="left")
    table.add_column("")
    for outcome in outcomes:
        table.add_column(outcome.plan.algorithm, justify="right", overflow="fold")
    for name, texts in _rows(summaries):
        table.add_row(name, *texts)
    console.print(table)


def print_per_fault(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One line for each plan, its algorithms side by side."""
    by_plan: dict[str, list[str]] = {}
    for outcome in outcomes:
        by_plan.setdefault(name_faults(outcome.plan.faults), []).extend(_cells(summarize(outcome)))
    table = Table(title="Each fault alone", title_justify="left")
    table.add_column("fault", no_wrap=True, min_width=13)
    for algorithm in dict.fromkeys(outcome.plan.algorithm for outcome in outcomes):
        for name in ("reads", "stale", "per\nmillion", "worst", "inver-\nsions", "hold\nlost", "keys\nwrong"):
            table.add_column(f"{algorithm}\n{name}", justify="right")
    for faults, cells in by_plan.items():
        table.add_row(faults, *cells)
    console.print(table)


def _cells(found: Mapping[str, Any]) -> list[str]:
    return [
        f"{found['reads']:,}",
        f"{found['stale']:,}",
        f"{found['stale_per_million']:,}",
        f"{found['stale_ms']['max']:,.0f} ms" if found["stale_ms"] else "-",
        f"{found['inversions']:,}",
        f"{found['inversions_with_hold_lost']:,}",
        f"{_wrong_keys(found)}",
    ]


def print_failures(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Broken promises, each with some of the reads that broke it."""
    for outcome in outcomes:
        if broken := outcome.broken_promises():
            console.print(f"Broken with faults {name_faults(outcome.plan.faults)}:", style="bold red")
            for text in (*broken, *outcome.verdict.examples, *outcome.rights.examples, *outcome.not_converged):
                console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)


def _rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    return [
        ("reads", [f"{each['reads']:,} ({each['reads_per_second']:,}/s)" for each in found]),
        ("  answered from", [_counts(each["sources"]) for each in found]),
        ("writes", [_counts(each["writes"]) for each in found]),
        ("  of kinds", [_counts(each["kinds_of_writes"]) for each in found]),
        ("faults", [_counts(each["faults"]) for each in found]),
        ("  usable again after", [_distribution(each["usable_again_ms"]) for each in found]),
        ("stale reads", [_per_million(each, "stale") for each in found]),
        ("  by", [_distribution(each["stale_ms"]) for each in found]),
        ("  Redis silent for the write budget", [f"{each['announced']:,}" for each in found]),
        ("inversions", [f"{each['inversions']:,}" for each in found]),
        ("  by", [_distribution(each["inversion_ms"]) for each in found]),
        ("  where the hold was lost", [f"{each['inversions_with_hold_lost']:,}" for each in found]),
        ("  of changes behind Django", [f"{each['inversions_behind_django']:,}" for each in found]),
        ("reads of what was never committed", [f"{each['phantoms']:,}" for each in found]),
        ("acknowledged writes lost", [f"{each['lost_writes']:,}" for each in found]),
        ("changes behind Django", [f"{each['behind_django']['changes']:,}" for each in found]),
        ("  seen late by", [_distribution(each["behind_django"]["lag_ms"]) for each in found]),
        ("  undisturbed", [f"{each['behind_django']['changes_undisturbed']:,}" for each in found]),
        ("  seen late by", [_distribution(each["behind_django"]["lag_ms_undisturbed"]) for each in found]),
        *_rows_of_people([each["people"] for each in found]),
        ("reads that failed", [_counts(each["failed_reads"]) for each in found]),
        ("keys wrong 2 s after the end", [f"{_wrong_keys(each)}" for each in found]),
        ("audit", [each["audit"] for each in found]),
        ("PATCH, quiet, median", [_patch(each["patch_ms"]) for each in found]),
        ("PATCH under load, median", [f"{each['patch_ms']['under_load']} ms" for each in found]),
        ("promises broken", [_broken(each) for each in found]),
    ]


def _rows_of_people(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    return [
        ("tokens and permissions ended", [_counts(each["endings"]) for each in found]),
        ("  of kinds", [_counts(each["kinds_of_endings"]) for each in found]),
        ("  while used", [f"{sum(each['ended_while_used'].values())}" for each in found]),
        ("  on every server", [f"{each['ended_while_used_on_every_server']}" for each in found]),
        ("  used", [f"accepted {each['accepted']:,}\nrefused {each['refused']:,}" for each in found]),
        ("used after their end", [f"{each['uses_after_end']:,}" for each in found]),
        ("  and accepted", [_per_million(each, "accepted_after_end") for each in found]),
        ("  by", [_distribution(each["accepted_after_end_ms"]) for each in found]),
        ("  Redis silent for the write budget", [f"{each['announced']:,}" for each in found]),
        ("refused before their end", [f"{each['refused_before_end']:,}" for each in found]),
        ("ended behind Django", [f"{each['behind_django']['endings']:,}" for each in found]),
        ("  accepted for", [_distribution(each["behind_django"]["lag_ms"]) for each in found]),
        ("  undisturbed", [f"{each['behind_django']['endings_undisturbed']:,}" for each in found]),
        ("  accepted for", [_distribution(each["behind_django"]["lag_ms_undisturbed"]) for each in found]),
    ]


def _per_million(found: Mapping[str, Any], name: str) -> str:
    return f"{found[name]:,} ({found[f'{name}_per_million']:,} per million)"


def _broken(found: Mapping[str, Any]) -> str:
    if found["plan"]["algorithm"] != "ours":
        return "it makes none"
    return "; ".join(found["broken_promises"]) or "none"


def _wrong_keys(found: Mapping[str, Any]) -> int:
    return len({text.rpartition(" ")[2] for text in found["not_converged"]})


def _patch(times: Mapping[str, Any]) -> str:
    quiet, without = times["quiet"], times["quiet_without_drain"]
    return f"{quiet} ms" + (f" ({without} ms without the drain)" if without != quiet else "")


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "\n".join(f"{name} {count:,}" for name, count in ordered) or "-"


def _distribution(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {shares[name]} ms" for name in shares) or "-"


def _shares(values: Sequence[float]) -> dict[str, float]:
    return {name: round(quantile(values, share), 1) for name, share in SHARES.items()} if values else {}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)


def faults_help() -> str:
    """One line for each fault."""
    return "\n".join(f"  {name:<14} {text}" for name, text in (FAULTS | TAKEOVERS | HITS | MOVES).items())
