"""
From the request to the complete response. A change of ours waits until no process can still use a copy in its memory:
the drain, of at most `CACHE_LOCAL_LEASE_MS`. Readers are 16 connections that are never idle; there are 50 ms between
two changes.
"""

import contextlib
import json
import socket
import time
from collections.abc import Sequence

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.wire import Reads, change_bytes, connect, parse_answer, read_answer
from tests.benchmarks.rows import written_code
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, median, ratios, spread
from tests.stage import StageFailed

SUMMARY = "PATCH, one after the other, on a quiet server and while its entity type is read"
HEADING = "Changes"

CHANGERS = ("lane", "classic", "cacheops", "node")
"""Who is compared."""
CHANGES, WARM_UP = 60, 20
READERS = 16
REST_SECONDS = 0.05
"""Between two changes of an entity type that is being read."""
LEAD_SECONDS = 0.3
"""How long it has been read when the first change comes."""
GROUP = 10
"""Single requests are compared by the medians of so many."""


def measure(session: Session) -> dict[str, dict[str, list[object]]]:
    """
    Returns:
        `quiet`: for each server the milliseconds of each change while nobody reads; `read`: for each server and round
        the same while 16 connections that are never idle read the entity type that is changed.
    """
    servers = session.servers(*CHANGERS)
    quiet: dict[str, list[object]] = {name: [] for name in servers}
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(connect(server.port)) for name, server in servers.items()}
        for number in range(-WARM_UP, CHANGES):
            for name, connection in connections.items():
                milliseconds = _change(connection, servers[name], session.token, f"Change {number}")
                if number >= 0:
                    quiet[name].append(milliseconds)
    read = session.take_turns(
        servers,
        session.plan.rounds,
        "changes of what is read",
        lambda _, name: {"read": _change_beside_readers(session, servers[name])},
    )
    return {"quiet": quiet, "read": {name: found["read"] for name, found in read.items()}}


def _change_beside_readers(session: Session, server: Server) -> list[float]:
    token = session.token
    reads = Reads([token], [written_code(server.contender.name)])
    taken: list[float] = []
    server.warm(reads)
    connection = connect(server.port)
    with connection, server.loaded(reads, session.plan.seconds, READERS) as readers:
        time.sleep(LEAD_SECONDS)
        while not readers.done():
            taken.append(_change(connection, server, token, f"Change {len(taken)}"))
            time.sleep(REST_SECONDS)
    readers.result()
    return taken


def _change(connection: socket.socket, server: Server, token: str, label: str) -> float:
    """The milliseconds that one change takes."""
    code = written_code(server.contender.name)
    request = change_bytes(server.port, token, code, label)
    begun = time.perf_counter()
    connection.sendall(request)
    received = read_answer(connection)
    taken = (time.perf_counter() - begun) * 1000
    answer = parse_answer(received)
    if answer.status != 200 or json.loads(answer.body)["label"] != label:
        raise StageFailed(f"{server.contender.name}, PATCH {code}: {answer.status} {answer.body[:200]!r}")
    return round(taken, 3)


def table(found: Results, results: Results) -> Tabled:
    quiet, read, missing = found["quiet"], found["read"], results["missing"]
    rows = []
    for name in CHANGERS:
        if name in missing:
            rows.append((CONTENDERS[name].title, f"not measured: {missing[name]}", "", "", ""))
        if name in quiet:
            rows.append((CONTENDERS[name].title, *spread(quiet[name], 1), *spread(list(map(median, read[name])), 1)))
    columns = ("server", "nobody reading, p50, ms", "range", "16 readers of the same, p50, ms", "range over rounds")
    return Tabled(f"PATCH, one after the other; copies of ours live {results['lease_ms']} ms", columns, rows)


def requirements(found: Results) -> list[Requirement]:
    text = "PATCH p50, all included / classic PATCH: "
    quiet = [medians(found["quiet"][name]) for name in ("lane", "classic")]
    beside = [list(map(median, found["read"][name])) for name in ("lane", "classic")]
    return [
        Requirement(f"{text}nobody reading", "at most", 2, ratios(*quiet)),
        Requirement(f"{text}16 readers of the same key", "at most", 2.5, ratios(*beside)),
    ]


def medians(values: Sequence[float], size: int = GROUP) -> list[float]:
    """The median of each `size` values in a row; what is left over belongs to the last group."""
    groups = max(1, len(values) // size)
    return [median(values[n * size : (n + 1) * size if n < groups - 1 else None]) for n in range(groups)]
