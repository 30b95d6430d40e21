"""Hits in process, and the same among a hundred thousand entity types, with what is done to all of them at once."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.engines import FEW_REDIS_DB, MANY_REDIS_DB, Engines
from tests.benchmarks.session import Session

PROCESS_ROUNDS = 15
LONG_LEASE = {"CACHE_LOCAL_LEASE_MS": "2000", "REQUEST_BUDGET_MS": "0"}
"""In process, so that no copy reaches its end in the middle of a loop."""
MEMORY_COPIES = 5_000

Columns = dict[str, Any]


def measure_process(session: Session) -> Columns:
    """Nanoseconds of one read, as `in_process` prints them."""
    return _in_process(session.stage, {}, PROCESS_ROUNDS)


def measure_many(session: Session) -> Columns:
    """Bulk operations, then hits on as many codes as ever among many, in turns with hits among few."""
    stage, count = session.stage, session.plan.many
    among_many = {"DATABASE_URL": stage.many_database_url, "REDIS_DB": str(MANY_REDIS_DB)}
    session.say(f"warming and clearing {count:,} entity types")
    bulk = stage.run_module("tests.benchmarks.measures.bulk", among_many, str(count), "3", on_server_core=True)
    few: Columns = {}
    many: Columns = {}
    for _ in range(3):
        session.say(f"hits among {count:,}")
        _extend(few, _in_process(stage, {"REDIS_DB": str(FEW_REDIS_DB)}, 4))
        _extend(many, _in_process(stage, among_many, 4))
    memory = _in_process(stage, among_many, 1, min(count, MEMORY_COPIES))["bytes_per_copy"]
    return {"count": count, "bulk": bulk, "few": few, "many": many, "bytes_per_copy": memory}


def _in_process(stage: Engines, environment: dict[str, str], rounds: int, memory: int = 0) -> Columns:
    arguments = ["--rounds", str(rounds), "--memory", str(memory)]
    module = "tests.benchmarks.measures.in_process"
    found: Columns = stage.run_module(module, LONG_LEASE | environment, *arguments, on_server_core=True)
    return found


def _extend(columns: Columns, found: Columns) -> None:
    for name in ("dict", "l1", "get", "l2"):
        columns.setdefault(name, []).extend(found[name])
