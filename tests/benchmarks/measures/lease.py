"""What a shorter life of copies in memory costs a crowd's hits, with Redis near and far."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

from redis import Redis

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.throughput import take_turns
from tests.benchmarks.rows import HOT
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session

LEASES_MS = (5, 7, 10, 50)
DISTANCES_MS = (0, 1, 5)
TOKENS = 200
ROUNDS = 3
"""At least."""
PINGS = 50


def measure_lease(session: Session) -> list[dict[str, Any]]:
    """For each distance: the round trip as measured, in ms, and answers a second of the crowd for each lease."""
    return [_measure_distance(session, distance_ms) for distance_ms in DISTANCES_MS]


def _measure_distance(session: Session, distance_ms: int) -> dict[str, Any]:
    stage = session.stage
    with stage.distant_redis(distance_ms) as port:
        servers = {str(lease_ms): _start(session, lease_ms, port) for lease_ms in LEASES_MS}
        for server in servers.values():
            stage.wait_for(server)
        rounds, what = max(ROUNDS, session.plan.rounds), f"Redis {distance_ms} ms away"
        found = take_turns(session, servers, stage.crowd(TOKENS, HOT, session.plan.seed), rounds, what)
        for server in servers.values():
            stage.stop_server(server)
        per_second = {lease: columns["per_second"] for lease, columns in found.items()}
        return {"distance_ms": distance_ms, "round_trip_ms": _time_round_trip(port), "per_second": per_second}


def _start(session: Session, lease_ms: int, redis_port: int) -> Server:
    environment = {"CACHE_LOCAL_LEASE_MS": str(lease_ms), "REDIS_PORT": str(redis_port)}
    return session.stage.start_server(replace(CONTENDERS["lane"], environment=environment))


def _time_round_trip(port: int) -> float:
    taken = []
    with Redis(port=port, protocol=2) as client:
        for _ in range(PINGS):
            begun = time.perf_counter()
            client.ping()
            taken.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(taken), 3)
