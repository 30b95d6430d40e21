"""Every token has been seen before. What the server asks while nobody reads is not counted."""

import time
from typing import Any

from tests.benchmarks.load.loops import run_open_loop
from tests.benchmarks.measures.counter import counting
from tests.benchmarks.rows import HOT
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled

SUMMARY = "what 10,000 hits of a crowd ask of PostgreSQL"
HEADING = "What a crowd asks of PostgreSQL"

TOKENS = 200
PER_SECOND, SECONDS = 1_000, 10


def measure(session: Session) -> dict[str, Any]:
    """Read 25 entity types at random by 200 tokens, which have all been seen before, 1,000 times a second for 10 s."""
    server = session.servers("lane")["lane"]
    reads = session.crowd(TOKENS, HOT)
    with counting(session) as counter:
        server.warm(reads)
        begun = time.monotonic()
        hits, statements, _ = counter.count(
            lambda: run_open_loop(server.port, reads, per_second=PER_SECOND, seconds=SECONDS)
        )
        taken = time.monotonic() - begun
    return {"tokens": TOKENS, "hits": len(hits), "seconds": round(taken, 2), "statements": len(statements)}


def table(found: Results, _: Results) -> Tabled:
    read = f"{found['hits']:,} hits by {found['tokens']} tokens"
    row = (read, f"{found['seconds']:.1f}", f"{found['statements']:,}")
    return Tabled("What a crowd's hits ask of PostgreSQL", ("read", "seconds", "statements"), [row])


def requirements(found: Results) -> list[Requirement]:
    text = f"PostgreSQL queries for {found['hits']:,} hits by {found['tokens']} tokens within 10 s"
    return [Requirement(text, "at most", 0, (found["statements"],))]
