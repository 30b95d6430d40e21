"""PATCH, one after the other: on a quiet server, and while others read the entity type that is changed."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

from tests.benchmarks.load.generators import reading
from tests.benchmarks.load.wire import Reads, change_bytes, connect, parse_answer, read_answer
from tests.benchmarks.rows import written_code
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.stage import Stage
from tests.torture.stage import StageFailed

CHANGERS = ("lane", "classic", "cacheops", "node")
"""Who is compared."""
CHANGES, WARM_UP = 60, 20
READERS = 16
REST_SECONDS = 0.05
"""Between two changes of an entity type that is being read."""
LEAD_SECONDS = 0.3
"""How long it has been read when the first change comes."""


def measure_changes(session: Session) -> dict[str, Any]:
    """
    Returns:
        `quiet`: for each server the milliseconds of each change while nobody reads; `read`: for each server and round
        the same while 16 connections that are never idle read the entity type that is changed.
    """
    servers = session.servers(*CHANGERS)
    quiet = measure_quiet(session.stage, servers, times=CHANGES)
    read: dict[str, list[list[float]]] = {name: [] for name in servers}
    for _, name in session.turns(servers, session.plan.rounds, "changes of what is read"):
        read[name].append(_change_beside_readers(session, servers[name]))
    return {"quiet": quiet, "read": read}


def measure_quiet(stage: Stage, servers: Mapping[str, Server], *, times: int) -> dict[str, list[float]]:
    """Change the label of one entity type of its own on each server, taking turns."""
    connections = {name: connect(server.port) for name, server in servers.items()}
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(-WARM_UP, times):
        for name, connection in connections.items():
            milliseconds = _change(connection, servers[name], stage.token, f"Change {number}")
            if number >= 0:
                taken[name].append(milliseconds)
    for connection in connections.values():
        connection.close()
    return taken


def _change_beside_readers(session: Session, server: Server) -> list[float]:
    token = session.stage.token
    reads = Reads([token], [written_code(server.contender.name)])
    taken: list[float] = []
    server.warm(reads)
    connection = connect(server.port)
    with connection, reading(session.generator, server.port, reads, session.plan.seconds, READERS) as readers:
        time.sleep(LEAD_SECONDS)
        while not readers.done():
            taken.append(_change(connection, server, token, f"Change {len(taken)}"))
            time.sleep(REST_SECONDS)
    load = readers.result()
    if load.errors or not load.requests:
        raise StageFailed(f"{server.contender.name}, while it is changed: {load.errors} errors, {load.requests} reads")
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
