"""
Requests arrive at a fixed rate whether or not earlier ones are finished, and latency counts from when they were due.
Only responses from memory or Redis are counted: while a key is being changed it is read from the database.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.benchmarks.load.open_loop import run_open_loop
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.rows import hot_codes, written_code
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, counts, median, ratios, spread
from tests.figures import quantile

SUMMARY = "hits at a fixed rate, with and without writes"
HEADING = "The slowest hits"

READS_PER_SECOND = 1_000
WRITES = {"quiet": 0, "written": 5}
"""A second, for each kind of turn."""
MIN_SECONDS = 4
HITS = ("L1", "L2")


def measure(session: Session) -> dict[str, Any]:
    """
    Hits at a fixed rate over 25 hot codes, one of which is changed 5 times a second in every other turn.

    Returns:
        For `quiet` and `written`: the 99th percentile of each round in ms, over answers from memory or Redis; how many
        answers came from where.
    """
    server = session.servers("lane")["lane"]
    written = written_code(server.contender.name)
    reads = Reads([session.stage.token], [*hot_codes()[1:], written])
    p99s: dict[str, list[float]] = {kind: [] for kind in WRITES}
    medians: dict[str, list[float]] = {kind: [] for kind in WRITES}
    sources: dict[str, Counter[str]] = {kind: Counter() for kind in WRITES}
    for _, kind in session.turns(WRITES, session.plan.rounds, "the slowest hits"):
        server.warm(reads)  # no turn begins cold
        hits = run_open_loop(
            server.port,
            reads,
            per_second=READS_PER_SECOND,
            seconds=max(MIN_SECONDS, session.plan.seconds),
            written=written,
            writes_per_second=WRITES[kind],
        )
        sources[kind].update(hit.source for hit in hits)
        cached = [hit.milliseconds for hit in hits if hit.source in HITS]
        p99s[kind].append(round(quantile(cached, 0.99), 3))
        medians[kind].append(round(quantile(cached, 0.5), 3))
    return {
        "reads_per_second": READS_PER_SECOND,
        "writes_per_second": WRITES["written"],
        "p99_ms": p99s,
        "p50_ms": medians,
        "sources": {kind: dict(counted) for kind, counted in sources.items()},
    }


def table(found: Results, _: Results) -> Tabled:
    written = f"one key written {found['writes_per_second']} times a second"
    rows = [
        (
            title,
            f"{median(found['p50_ms'][kind]):.2f}",
            *spread(found["p99_ms"][kind], 2),
            counts(found["sources"][kind]),
        )
        for kind, title in (("quiet", "nobody writes"), ("written", written))
    ]
    title = f"Hits at {found['reads_per_second']:,} requests a second over 25 keys, through the express lane"
    return Tabled(title, ("meanwhile", "p50, ms", "p99, ms", "p99 range", "responses by X-Cache"), rows)


def requirements(found: Results) -> list[Requirement]:
    text = f"p99 of hits while a key is written {found['writes_per_second']} times a second / without"
    return [Requirement(text, "at most", 2, ratios(found["p99_ms"]["written"], found["p99_ms"]["quiet"]))]
