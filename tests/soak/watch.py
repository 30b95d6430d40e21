"""What the servers take: memory, sockets, and connections to the engines, looked at once a second."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import psutil
import psycopg
from redis import Redis

PERIOD_SECONDS = 1.0


@dataclass(frozen=True)
class Sample:
    """One look."""

    rss_mb: float
    sockets: int
    redis_clients: int
    database_sessions: int


class Watch:
    """Looks at a process and its children until it is stopped."""

    def __init__(self, process: int, redis_port: int, database_url: str) -> None:
        self._process = psutil.Process(process)
        self.samples: list[Sample] = []
        self._redis = Redis(port=redis_port)
        self._database = psycopg.connect(database_url, autocommit=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._redis.close()
        self._database.close()

    def next_phase(self) -> list[Sample]:
        samples, self.samples = self.samples, []
        return samples

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_SECONDS):
            family = [self._process, *self._process.children()]
            sessions = self._database.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
            info = self._redis.info("clients")
            self.samples.append(
                Sample(
                    rss_mb=sum(each.memory_info().rss for each in family) / 1e6,
                    sockets=sum(len(each.net_connections("all")) for each in family),
                    redis_clients=int(info["connected_clients"]) - 1,
                    database_sessions=int(sessions[0]) if sessions else 0,
                )
            )
