"""One run from start to end: every chosen measure, on one stage, as one dictionary for JSON."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from cache_layer.options import Options
from tests.benchmarks.contenders import CONTENDERS, Contender
from tests.benchmarks.load.generators import Generator, find_generator
from tests.benchmarks.measures.changes import measure_changes
from tests.benchmarks.measures.costs import measure_costs
from tests.benchmarks.measures.scaling import measure_scaling
from tests.benchmarks.measures.startup import measure_startup
from tests.benchmarks.measures.tail import measure_tail
from tests.benchmarks.measures.throughput import check_answers, check_refusals, measure_throughput
from tests.benchmarks.plan import Plan
from tests.benchmarks.stage import MANY_REDIS_DB, Stage, prepared_stage

CHANGES = 60
PROCESS_ROUNDS = 15
LONG_LEASE = {"CACHE_LOCAL_LEASE_MS": "2000", "REQUEST_BUDGET_MS": "0"}
"""In process, so that no copy reaches its end in the middle of a loop."""
MEMORY_COPIES = 5_000
PACKAGES = ("django", "djangorestframework", "django-redis", "redis", "hiredis", "granian", "psycopg")
PACKAGES_OF_OTHERS = ("django-cacheops", "django-cachalot")

Say = Callable[[str], None]
Results = dict[str, Any]


def run_benchmark(plan: Plan, say: Say, keep: Path | None = None) -> Results:
    """
    Raises:
        StageFailed: a server did not start, or an answer was wrong.
    """
    generator = find_generator(bundled=plan.bundled)
    missing = {each.name: each.why_missing() for each in CONTENDERS.values() if each.why_missing()}
    say("starting PostgreSQL and Valkey")
    with prepared_stage(keep) as stage:
        stage.insert_rows(many=plan.many if "many" in plan.measures else 0)
        results: Results = {
            "lease_ms": Options.local_lease_ms,
            "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "many": plan.many},
            "machine": _describe(stage, generator),
            "missing": missing,
        }
        for name, measure in _measures(plan, stage, generator, say, missing).items():
            if name in plan.measures:
                say(name)
                results[name] = measure()
    return results


def _measures(
    plan: Plan, stage: Stage, generator: Generator, say: Say, missing: dict[str, str]
) -> dict[str, Callable[[], Any]]:
    """In the order in which they run: those that need a quiet machine before those that start servers anew."""

    def servers(*names: str) -> dict[str, Any]:
        chosen = [CONTENDERS[name] for name in names if name not in missing]
        stage.start_servers(chosen)
        return {each.name: stage.servers[each.name] for each in chosen}

    def throughput() -> Any:
        chosen = servers(*(each.name for each in plan.chosen_contenders()))
        check_answers(stage, chosen)
        check_refusals(stage, chosen)
        return measure_throughput(
            stage, chosen, generator, rounds=plan.rounds, seconds=plan.seconds, seed=plan.seed, say=say
        )

    def costs() -> Any:
        return measure_costs(stage, servers("database", "classic", "cacheops", "cachalot", "django", "lane"))

    def tail() -> Any:
        return measure_tail(stage, servers("lane")["lane"], rounds=plan.rounds, seconds=max(4, plan.seconds), say=say)

    ours: list[Contender] = [CONTENDERS["django"], CONTENDERS["lane"]]
    return {
        "throughput": throughput,
        "changes": lambda: measure_changes(stage, servers("classic", "lane"), times=CHANGES),
        "tail": tail,
        "costs": costs,
        "process": lambda: _in_process(stage, {}, PROCESS_ROUNDS),
        "many": lambda: _measure_many(plan, stage, say),
        "startup": lambda: measure_startup(stage, [CONTENDERS["classic"], CONTENDERS["lane"]], times=3),
        "scaling": lambda: measure_scaling(stage, ours, generator, rounds=3, seconds=plan.seconds, say=say),
    }


def _in_process(stage: Stage, environment: dict[str, str], rounds: int, memory: int = 0) -> Any:
    arguments = ["--rounds", str(rounds), "--memory", str(memory)]
    module = "tests.benchmarks.measures.in_process"
    return stage.run_module(module, LONG_LEASE | environment, *arguments, on_server_core=True)


def _measure_many(plan: Plan, stage: Stage, say: Say) -> Results:
    """Bulk operations, then hits on as many codes as ever among many, in turns with hits among few."""
    among_many = {"DATABASE_URL": stage.many_database_url, "REDIS_DB": str(MANY_REDIS_DB)}
    say(f"warming and clearing {plan.many:,} entity types")
    bulk = stage.run_module("tests.benchmarks.measures.bulk", among_many, str(plan.many), "3", on_server_core=True)
    few: Results = {}
    many: Results = {}
    for _ in range(3):
        say(f"hits among {plan.many:,}")
        _extend(few, _in_process(stage, {}, 4))
        _extend(many, _in_process(stage, among_many, 4))
    memory = _in_process(stage, among_many, 1, min(plan.many, MEMORY_COPIES))["bytes_per_copy"]
    return {"count": plan.many, "bulk": bulk, "few": few, "many": many, "bytes_per_copy": memory}


def _extend(columns: Results, found: Results) -> None:
    for name in ("dict", "l1", "get", "l2"):
        columns.setdefault(name, []).extend(found[name])


def _describe(stage: Stage, generator: Generator) -> Results:
    """What everything ran on."""
    with psycopg.connect(stage.database_url) as database:
        version = database.execute("SHOW server_version").fetchone()
    server: Any = stage.redis().info("server")
    return {
        "processor": _processor(),
        "cores": len(stage.cores.all) or os.cpu_count(),
        "pinned": stage.cores.are_split,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *PACKAGES_OF_OTHERS) if _version(name)},
        "postgresql": version[0] if version else "",
        "redis": f"{server.get('server_name', 'redis')} {server.get('valkey_version') or server['redis_version']}",
        "generator": generator.name,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
