"""
What one request asks of the engines: database queries, as PostgreSQL logs them, and commands, as MONITOR shows them.

Transaction control and what Lua scripts call inside Redis are not counted.
"""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from cache_layer.options import Options
from tests.benchmarks.rows import hot_codes, written_code
from tests.benchmarks.stage import Answer, Server, Stage
from tests.torture.stage import StageFailed

QUERY = re.compile(r"LOG:  (?:statement|execute [^:]*): +(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
COMMAND = re.compile(rb'^\+[\d.]+ \[(\d+) (\S+)\] "([^"]+)"')
ATTEMPTS = 50
COPY_GONE_SECONDS = Options.local_lease_ms / 1000 + 0.02
VERDICT_GONE_SECONDS = 1.1


class Counter:
    """Counts while `counting` blocks run; nobody else may use the engines meanwhile."""

    def __init__(self, stage: Stage, monitor: socket.socket) -> None:
        self._log, self._redis, self._monitor = stage.directory / "postgres.log", stage.redis(), monitor
        self._seen()

    def count(self, work: Callable[[], Answer]) -> tuple[Answer, int, list[str]]:
        """What `work` gave, how many queries it took, and which commands."""
        self._seen()
        start = self._log.stat().st_size
        answer = work()
        commands = self._seen()
        with self._log.open(errors="replace") as log:
            log.seek(start)
            return answer, len(QUERY.findall(log.read())), commands

    def _seen(self) -> list[str]:
        """The commands shown since the last call."""
        mark = uuid.uuid4().hex.encode()
        self._redis.echo(mark)
        shown = b""
        while mark not in shown:
            shown += self._monitor.recv(65_536)
        found = (COMMAND.match(line) for line in shown.split(b"\r\n"))
        names = [match[3].decode().upper() for match in found if match is not None and match[2] != b"lua"]
        return [name for name in names if name != "ECHO"]


def measure_costs(stage: Stage, servers: dict[str, Server]) -> list[dict[str, object]]:
    """For each kind of request: on which server, what it is, how many queries, and which commands, in order."""
    found: list[dict[str, object]] = []
    with _counter(stage) as counter:
        for name, server in servers.items():
            for kind, request in _kinds(stage, server).items():
                queries, commands = request(counter)
                found.append({"contender": name, "kind": kind, "queries": queries, "commands": commands})
    return found


Counted = tuple[int, list[str]]
Request = Callable[[Counter], Counted]


def _kinds(stage: Stage, server: Server) -> dict[str, Request]:
    name = server.contender.name
    if name == "database":  # it has nothing to miss
        return {"read": _kinds_of_others(stage, server)["hit"], "PATCH": _change(stage, server)}
    if name == "lane":  # all else goes through Django
        return {"hit in memory (L1)": _kinds_of_ours(stage, server)["hit in memory (L1)"]}
    return _kinds_of_ours(stage, server) if name == "django" else _kinds_of_others(stage, server)


def _kinds_of_ours(stage: Stage, server: Server) -> dict[str, Request]:
    code, other = hot_codes()[:2]
    redis = stage.redis()

    def read(source: str, get_ready: Callable[[], object]) -> Request:
        def count(counter: Counter) -> Counted:
            for _ in range(ATTEMPTS):  # a busy machine may let a lease of 50 ms pass in between
                _get(stage, server, code)
                get_ready()
                answer, queries, commands = counter.count(lambda: _get(stage, server, code))
                if answer.headers.get("x-cache") == source:
                    return queries, commands
            raise StageFailed(f"{server.contender.name} gives no {source}")

        return count

    def drop() -> None:
        time.sleep(COPY_GONE_SECONDS)
        _get(stage, server, other)  # the verdict on the token is fresh
        redis.delete(f"entity:metadata:{code}")

    return {
        "hit in memory (L1)": read("L1", lambda: None),
        "hit in Redis (L2)": read("L2", lambda: time.sleep(COPY_GONE_SECONDS)),
        "hit in Redis, token not seen for a second": read("L2", lambda: time.sleep(VERDICT_GONE_SECONDS)),
        "miss": read("DB", drop),
        "PATCH": _change(stage, server),
    }


def _kinds_of_others(stage: Stage, server: Server) -> dict[str, Request]:
    redis = stage.redis(server.contender.redis_db)

    def miss(counter: Counter) -> Counted:
        redis.flushdb()
        return counter.count(lambda: _get(stage, server, hot_codes()[0]))[1:]

    def hit(counter: Counter) -> Counted:
        _get(stage, server, hot_codes()[0])
        return counter.count(lambda: _get(stage, server, hot_codes()[0]))[1:]

    return {"miss": miss, "hit": hit, "PATCH": _change(stage, server)}


def _change(stage: Stage, server: Server) -> Request:
    path = f"/api/v1/entity/{written_code(server.contender.name)}"

    def count(counter: Counter) -> Counted:
        for label in ("Counted first", "Counted second"):  # the first loads scripts
            answer, queries, commands = counter.count(
                functools.partial(server.ask, stage.token, "PATCH", path, {"label": label})
            )
            if answer.status != 200:
                raise StageFailed(f"PATCH {path}: {answer.status}")
        return queries, commands

    return count


def _get(stage: Stage, server: Server, code: str) -> Answer:
    return server.ask(stage.token, "GET", f"/api/v1/entity/type/{code}")


@contextlib.contextmanager
def _counter(stage: Stage) -> Iterator[Counter]:
    with (
        _logged_statements(stage.database_url, stage.directory / "postgres.log"),
        socket.create_connection(("127.0.0.1", stage.redis_port), timeout=10) as monitor,
    ):
        monitor.sendall(b"MONITOR\r\n")
        yield Counter(stage, monitor)


@contextlib.contextmanager
def _logged_statements(database_url: str, log: Path) -> Iterator[None]:
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute("ALTER SYSTEM SET log_statement = 'all'")
        database.execute("SELECT pg_reload_conf()")
        mark = uuid.uuid4().hex
        deadline = time.monotonic() + 10
        while mark not in log.read_text(errors="replace"):
            if time.monotonic() > deadline:
                raise StageFailed("PostgreSQL logs no statements")
            database.execute(f"SELECT '{mark}'")
            time.sleep(0.05)
        time.sleep(0.5)  # the other sessions reload too, before their next statement
        try:
            yield
        finally:
            database.execute("ALTER SYSTEM RESET log_statement")
            database.execute("SELECT pg_reload_conf()")
