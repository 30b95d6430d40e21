"""
Each of six writers changes its own entity type again as soon as the last change is acknowledged; twelve connections
read all six at random.
"""

import itertools
from collections.abc import Iterator

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.loops import run_closed_loop
from tests.benchmarks.load.wire import Reads, change_bytes
from tests.benchmarks.rows import written_codes
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, median, ratios, spread
from tests.stage import StageFailed

SUMMARY = "six writers beside twelve readers"
HEADING = "Many writers"

READERS = 12


def measure(session: Session) -> dict[str, dict[str, list[float]]]:
    """For each server, and each round: acknowledged changes per second, and reads per second meanwhile."""
    servers = session.servers("lane", "classic", "node")
    token, seconds = session.token, session.plan.seconds

    def write(number: int, name: str) -> dict[str, float]:
        server, codes = servers[name], written_codes(name)
        reads = Reads([token], codes, session.plan.seed + number)
        server.warm(reads)
        with server.loaded(reads, seconds, READERS) as readers:
            wrote = run_closed_loop(server.port, [_changes(server, token, code) for code in codes], seconds)
        if wrote.errors:
            raise StageFailed(f"{name}: {wrote.errors} changes were errors")
        return {"writes": round(wrote.per_second, 1), "reads": round(readers.result().per_second, 1)}

    return session.take_turns(servers, session.plan.rounds, "six writers beside twelve readers", write)


def _changes(server: Server, token: str, code: str) -> Iterator[bytes]:
    for number in itertools.count():
        yield change_bytes(server.port, token, code, f"Change {number}")


def table(found: Results, _: Results) -> Tabled:
    rows = [
        (CONTENDERS[name].title, *spread(each["writes"]), f"{median(each['reads']):,.0f}")
        for name, each in found.items()
    ]
    columns = ("server", "changes per second", "range over rounds", "reads per second meanwhile")
    return Tabled("Six writers on six keys beside twelve readers", columns, rows)


def requirements(found: Results) -> list[Requirement]:
    text = "six writers on six keys beside twelve readers: acknowledged writes a second / classic"
    return [Requirement(text, "at least", 0.6, ratios(found["lane"]["writes"], found["classic"]["writes"]))]
