"""How slow the slowest hits are, with and without somebody changing one of the hot entity types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.benchmarks.load.open_loop import Hit, run_open_loop
from tests.benchmarks.rows import hot_codes, written_code
from tests.benchmarks.stage import Server, Stage
from tests.torture.run import quantile

READS_PER_SECOND = 1_000
WRITES_PER_SECOND = 5
HITS = ("L1", "L2")


def measure_tail(
    stage: Stage, server: Server, *, rounds: int, seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """
    Hits at a fixed rate over 25 hot codes, one of which is changed 5 times a second in every other turn.

    Returns:
        For `quiet` and `written`: the 99th percentile of each round in ms, over answers from memory or Redis; how many
        answers came from where.
    """
    written = written_code(server.contender.name)
    codes = [*hot_codes()[1:], written]
    p99s: dict[str, list[float]] = {"quiet": [], "written": []}
    medians: dict[str, list[float]] = {"quiet": [], "written": []}
    sources: dict[str, Counter[str]] = {"quiet": Counter(), "written": Counter()}
    for number in range(rounds):
        say(f"the slowest hits, round {number + 1} of {rounds}")
        for kind, writes in (("quiet", 0), ("written", WRITES_PER_SECOND)):
            for code in codes:  # no turn begins cold
                server.ask(stage.token, "GET", f"/api/v1/entity/type/{code}")
            hits: list[Hit] = run_open_loop(
                server.port,
                stage.token,
                codes,
                per_second=READS_PER_SECOND,
                seconds=seconds,
                written=written,
                writes_per_second=writes,
            )
            sources[kind].update(hit.source for hit in hits)
            cached = [hit.milliseconds for hit in hits if hit.source in HITS]
            p99s[kind].append(round(quantile(cached, 0.99), 3))
            medians[kind].append(round(quantile(cached, 0.5), 3))
    return {
        "reads_per_second": READS_PER_SECOND,
        "writes_per_second": WRITES_PER_SECOND,
        "p99_ms": p99s,
        "p50_ms": medians,
        "sources": {kind: dict(counted) for kind, counted in sources.items()},
    }
