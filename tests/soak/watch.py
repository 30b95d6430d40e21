"""What the servers take: memory, sockets, and connections to the engines."""

from __future__ import annotations

from typing import Any, NamedTuple

import psutil
import psycopg
from redis import Redis

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


class Sample(NamedTuple):
    """One look."""

    rss_mb: float
    sockets: int
    redis_clients: int
    database_sessions: int


def look(process: int, redis: Redis, database: psycopg.Connection) -> Sample:
    """At a process and its children, and at the engines that they use."""
    family = [(parent := psutil.Process(process)), *parent.children()]
    [[sessions]] = database.execute(SESSIONS)
    info: Any = redis.info("clients")
    return Sample(
        rss_mb=sum(each.memory_info().rss for each in family) / 1e6,
        sockets=sum(len(each.net_connections("all")) for each in family),
        redis_clients=int(info["connected_clients"]) - 1,
        database_sessions=int(sessions),
    )
