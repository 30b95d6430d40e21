"""The same loop around each. The bare `GET` uses the same class of connection (hiredis) and ignores what it gets."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.session import Session
from tests.benchmarks.stage import Stage
from tests.benchmarks.tables import Requirement, Results, Tabled, median, ratios

SUMMARY = "get_entity in process, against a dict and redis-py"
HEADING = "In process"

ROUNDS = 15
LONG_LEASE = {"CACHE_LOCAL_LEASE_MS": "2000", "REQUEST_BUDGET_MS": "0"}
"""In process, so that no copy reaches its end in the middle of a loop."""


def measure(session: Session) -> dict[str, Any]:
    return run_in_process(session.stage, ROUNDS)


def run_in_process(stage: Stage, rounds: int, memory: int = 0, **environment: str) -> dict[str, Any]:
    """Nanoseconds of one read, and bytes of one of `memory` copies, as `in_process` prints them."""
    module = "tests.benchmarks.measures.in_process"
    found: dict[str, Any] = stage.run_on_server_core(module, str(rounds), str(memory), **LONG_LEASE, **environment)
    return found


def table(found: Results, _: Results) -> Tabled:
    rows = []
    for name, title in (
        ("dict", "dict lookup with a clock check"),
        ("l1", "`get_entity`, from memory (L1)"),
        ("get", "bare redis-py `GET`"),
        ("l2", "`get_entity`, from Redis (L2)"),
    ):
        middle, least, most = (each(found[name]) / 1000 for each in (median, min, max))
        rows.append((title, f"{middle:,.2f}", f"{least:,.2f} to {most:,.2f}"))
    return Tabled("In process", ("read", "microseconds", "range over rounds"), rows)


def requirements(found: Results) -> list[Requirement]:
    rows = (
        ("`get_entity` from memory (L1) / dict lookup with a clock check", 5, "l1", "dict"),
        ("`get_entity` from Redis (L2) / bare redis-py GET", 1.25, "l2", "get"),
    )
    return [Requirement(text, "at most", limit, ratios(found[over], found[under])) for text, limit, over, under in rows]
