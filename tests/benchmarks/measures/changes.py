"""PATCH, one after the other on a quiet server: what a change costs beyond the wait for copies in memory."""

from __future__ import annotations

import http.client
import json
import time

from tests.benchmarks.rows import written_code
from tests.benchmarks.stage import Server, Stage
from tests.torture.stage import StageFailed

WARM_UP = 5


def measure_changes(stage: Stage, servers: dict[str, Server], *, times: int) -> dict[str, list[float]]:
    """
    Change the label of one entity type of its own on each server, taking turns.

    Returns:
        Milliseconds from the request to the whole answer, for each server.
    """
    connections = {name: http.client.HTTPConnection("127.0.0.1", servers[name].port, timeout=10) for name in servers}
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(-WARM_UP, times):
        for name, connection in connections.items():
            milliseconds = _change(stage, connection, written_code(name), f"Change {number}")
            if number >= 0:
                taken[name].append(round(milliseconds, 3))
    for connection in connections.values():
        connection.close()
    return taken


def _change(stage: Stage, connection: http.client.HTTPConnection, code: str, label: str) -> float:
    headers = {"Authorization": f"Bearer {stage.token}", "Content-Type": "application/json"}
    body = json.dumps({"label": label})
    begun = time.perf_counter()
    connection.request("PATCH", f"/api/v1/entity/{code}", body, headers)
    response = connection.getresponse()
    answer = response.read()
    taken = (time.perf_counter() - begun) * 1000
    if response.status != 200 or json.loads(answer)["label"] != label:
        raise StageFailed(f"PATCH {code}: {response.status} {answer[:200]!r}")
    return taken
