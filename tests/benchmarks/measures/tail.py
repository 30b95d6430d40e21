"""
Requests arrive at a fixed rate whether or not earlier ones are finished, and latency counts from when they were due.
Only responses from memory or Redis are counted: while a key is being changed it is read from the database.
"""

from collections import Counter
from typing import Any

from tests.benchmarks.load.loops import run_open_loop
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
        For `quiet` and `written`: the median and the 99th percentile of each round in ms, over answers from memory or
        Redis; how many answers came from where.
    """
    server = session.servers("lane")["lane"]
    written = written_code(server.contender.name)
    reads = Reads([session.token], [*hot_codes()[1:], written])

    def read(_: int, kind: str) -> dict[str, Any]:
        server.warm(reads)  # no turn begins cold
        hits = run_open_loop(
            server.port,
            reads,
            per_second=READS_PER_SECOND,
            seconds=max(MIN_SECONDS, session.plan.seconds),
            written=written,
            writes_per_second=WRITES[kind],
        )
        cached = [hit.milliseconds for hit in hits if hit.source in HITS]
        p50, p99 = (round(quantile(cached, share), 3) for share in (0.5, 0.99))
        return {"p50_ms": p50, "p99_ms": p99, "sources": Counter(hit.source for hit in hits)}

    found = session.take_turns(WRITES, session.plan.rounds, "the slowest hits", read)
    return {"reads_per_second": READS_PER_SECOND, "writes_per_second": WRITES["written"], **found}


def table(found: Results, _: Results) -> Tabled:
    written = f"one key written {found['writes_per_second']} times a second"
    rows = [
        (
            title,
            f"{median(found[kind]['p50_ms']):.2f}",
            *spread(found[kind]["p99_ms"], 2),
            counts(sum(map(Counter, found[kind]["sources"]), Counter())),
        )
        for kind, title in (("quiet", "nobody writes"), ("written", written))
    ]
    title = f"Hits at {found['reads_per_second']:,} requests a second over 25 keys, through the express lane"
    return Tabled(title, ("meanwhile", "p50, ms", "p99, ms", "p99 range", "responses by X-Cache"), rows)


def requirements(found: Results) -> list[Requirement]:
    text = f"p99 of hits while a key is written {found['writes_per_second']} times a second / without"
    return [Requirement(text, "at most", 2, ratios(found["written"]["p99_ms"], found["quiet"]["p99_ms"]))]
