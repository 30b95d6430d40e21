"""
What is asked of the engines meanwhile: statements, as PostgreSQL logs them, and commands, as Redis' MONITOR shows them.

Neither transaction control nor what Lua scripts call inside Redis is counted, nor what servers ask that nobody asks.
"""

import contextlib
import itertools
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import psycopg
from redis.client import Monitor

from tests.benchmarks.session import Session
from tests.waiting import wait_for

Given = TypeVar("Given")

RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d )", re.MULTILINE)
STATEMENT = re.compile(r"[^\[]*\[(\d+)\] LOG:  (?:statement|execute [^:]*):\s+(\S.*)", re.DOTALL)
CONTROL = re.compile(r"(?:BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\b", re.IGNORECASE)
VALUES = re.compile(r"'[^']*'|\d+")
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

    def __init__(self, session: Session, monitor: Monitor) -> None:
        self._log, self._redis, self._monitor = session.directory / "postgres.log", session.redis(), monitor
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
        mark = uuid.uuid4().hex
        self._redis.echo(mark)
        shown = itertools.takewhile(lambda each: each["command"] != f"ECHO {mark}", self._monitor.listen())
        return [each["command"].partition(" ")[0].upper() for each in shown if each["client_type"] != "lua"]


@contextlib.contextmanager
def counting(session: Session) -> Iterator[Counter]:
    """Everything is logged while the block runs; what idle servers ask is found out first."""
    log, mark = session.directory / "postgres.log", uuid.uuid4().hex
    with psycopg.connect(session.database_url, autocommit=True) as database, session.redis().monitor() as monitor:

        def is_logged() -> bool:
            database.execute(f"SELECT '{mark}'")
            return mark in log.read_text(errors="replace")

        database.execute("ALTER SYSTEM SET log_statement = 'all'")
        try:
            database.execute("SELECT pg_reload_conf()")
            wait_for(is_logged, 10)
            time.sleep(0.5)  # the other sessions reload too, before their next statement
            yield Counter(session, monitor)
        finally:
            database.execute("ALTER SYSTEM RESET log_statement")
            database.execute("SELECT pg_reload_conf()")
