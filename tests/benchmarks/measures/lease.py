"""
The share of hits that a shorter `CACHE_LOCAL_LEASE_MS` costs. A process between the server and Redis delays requests
and replies; the round trip is measured through it.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from redis import Redis

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.throughput import take_turns
from tests.benchmarks.rows import HOT
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Results, Tabled, from_to, median

SUMMARY = "what copies that live 5, 7 or 10 ms cost, with Redis 0, 1 and 5 ms away"
HEADING = "Shorter leases"

LEASES_MS = (5, 7, 10, 50)
DISTANCES_MS = (0, 1, 5)
TOKENS = 200
ROUNDS = 3
"""At least."""
PINGS = 50


def measure(session: Session) -> list[dict[str, Any]]:
    """For each distance: the round trip as measured, in ms, and responses per second of the crowd for each lease."""
    return [_measure_distance(session, distance_ms) for distance_ms in DISTANCES_MS]


def _measure_distance(session: Session, distance_ms: int) -> dict[str, Any]:
    with session.distant_redis(distance_ms) as port:
        servers = {str(lease_ms): _start(session, lease_ms, port) for lease_ms in LEASES_MS}
        rounds, what = max(ROUNDS, session.plan.rounds), f"Redis {distance_ms} ms away"
        found = take_turns(session, servers, session.crowd(TOKENS, HOT, session.plan.seed), rounds, what)
        for server in servers.values():
            session.stop_server(server)
        per_second = {lease: columns["per_second"] for lease, columns in found.items()}
        return {"distance_ms": distance_ms, "round_trip_ms": _time_round_trip(port), "per_second": per_second}


def _start(session: Session, lease_ms: int, redis_port: int) -> Server:
    environment = {"CACHE_LOCAL_LEASE_MS": str(lease_ms), "REDIS_PORT": str(redis_port)}
    return session.start_contender(replace(CONTENDERS["lane"], environment=environment))


def _time_round_trip(port: int) -> float:
    taken = []
    with Redis(port=port, protocol=2) as client:
        for _ in range(PINGS):
            begun = time.perf_counter()
            client.ping()
            taken.append((time.perf_counter() - begun) * 1000)
    return round(median(taken), 3)


def table(found: list[Results], _: Results) -> Tabled:
    *shorter, longest = found[0]["per_second"]
    rows = [
        (
            f"{each['distance_ms']} ms",
            f"{each['round_trip_ms']:.2f}",
            *(_lost(each["per_second"][lease], each["per_second"][longest]) for lease in shorter),
            f"{median(each['per_second'][longest]):,.0f}",
        )
        for each in found
    ]
    lost_by = (f"lost at {lease} ms, range over rounds" for lease in shorter)
    columns = ("distance to Redis", "round trip, ms", *lost_by, f"hits per second at {longest} ms")
    return Tabled("Hits of 200 people x 25 entity types that a shorter lease costs", columns, rows)


def _lost(per_second: Sequence[float], of: Sequence[float]) -> str:
    """The share of hits that is lost, round by round: the median, and the least and the most."""
    lost = [100 * (1 - less / more) for less, more in zip(per_second, of, strict=True)]
    return f"{median(lost):.1f}% ({from_to(lost, 1)})"
