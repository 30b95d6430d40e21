"""Six writers, each with an entity type of its own, beside twelve readers of all six."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.benchmarks.load.closed_loop import run_closed_loop
from tests.benchmarks.load.generators import reading
from tests.benchmarks.load.wire import Reads, change_bytes
from tests.benchmarks.rows import written_codes
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.torture.stage import StageFailed

READERS = 12


def measure_writers(session: Session) -> dict[str, dict[str, list[float]]]:
    """
    Everyone sends the next request as soon as the last is answered.

    Returns:
        For each server, and each round: acknowledged changes a second, and reads a second meanwhile.
    """
    servers = session.servers("lane", "classic", "node")
    found: dict[str, dict[str, list[float]]] = {name: {"writes": [], "reads": []} for name in servers}
    for number, name in session.turns(servers, session.plan.rounds, "six writers beside twelve readers"):
        writes, reads = _take_turn(session, servers[name], number)
        found[name]["writes"].append(round(writes, 1))
        found[name]["reads"].append(round(reads, 1))
    return found


def _take_turn(session: Session, server: Server, number: int) -> tuple[float, float]:
    token, seconds = session.stage.token, session.plan.seconds
    codes = written_codes(server.contender.name)
    reads = Reads([token], codes, session.plan.seed + number)
    server.warm(reads)
    with reading(session.generator, server.port, reads, seconds, READERS) as readers:
        wrote = run_closed_loop(server.port, [_changes(server, token, code) for code in codes], seconds)
    load = readers.result()
    if wrote.errors or load.errors:
        raise StageFailed(f"{server.contender.name}: {wrote.errors} changes and {load.errors} reads were errors")
    return len(wrote.answered) / wrote.seconds, load.per_second


def _changes(server: Server, token: str, code: str) -> Iterator[bytes]:
    for number in itertools.count():
        yield change_bytes(server.port, token, code, f"Change {number}")
