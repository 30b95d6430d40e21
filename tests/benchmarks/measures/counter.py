"""
What is asked of the engines meanwhile: statements, as PostgreSQL logs them, and commands, as Redis' MONITOR shows them.

Neither transaction control nor what Lua scripts call inside Redis is counted, nor what servers ask that nobody asks.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg

from tests.benchmarks.stage import Stage
from tests.stage import StageFailed

Given = TypeVar("Given")

RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d )", re.MULTILINE)
STATEMENT = re.compile(r"[^\[]*\[(\d+)\] LOG:  (?:statement|execute [^:]*):\s+(\S.*)", re.DOTALL)
CONTROL = re.compile(r"(?:BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\b", re.IGNORECASE)
VALUES = re.compile(r"'[^']*'|\d+")
COMMAND = re.compile(rb'^\+[\d.]+ \[(\d+) (\S+)\] "([^"]+)"')
BACKGROUND_SECONDS = 5


class Statement(NamedTuple):
    """One that PostgreSQL was sent, and the session that sent it."""

    session: int
    text: str

    @property
    def kind(self) -> str:
        """The text without what differs from one time to the next."""
        return VALUES.sub("?", self.text)


def parse_log(logged: str) -> list[Statement]:
    """The statements in PostgreSQL's log, without transaction control."""
    found = (STATEMENT.match(record) for record in RECORD.split(logged))
    made = [Statement(int(match[1]), match[2]) for match in found if match is not None]
    return [statement for statement in made if not CONTROL.match(statement.text)]


class Counter:
    """Counts while `counting` blocks run; nobody else may use the engines meanwhile."""

    def __init__(self, stage: Stage, monitor: socket.socket) -> None:
        self._log, self._redis, self._monitor = stage.directory / "postgres.log", stage.redis(), monitor
        self._background: frozenset[str] = frozenset()
        self._seen()
        _, idle, _ = self.count(lambda: time.sleep(BACKGROUND_SECONDS))
        self._background = frozenset(statement.kind for statement in idle)

    def count(self, work: Callable[[], Given]) -> tuple[Given, Sequence[Statement], list[str]]:
        """What `work` gave, and which statements and commands it took."""
        self._seen()
        start = self._log.stat().st_size
        given = work()
        commands = self._seen()
        with self._log.open(errors="replace") as log:
            log.seek(start)
            statements = parse_log(log.read())
        return given, [each for each in statements if each.kind not in self._background], commands

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


@contextlib.contextmanager
def counting(stage: Stage) -> Iterator[Counter]:
    """Everything is logged while the block runs; what idle servers ask is found out first."""
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
