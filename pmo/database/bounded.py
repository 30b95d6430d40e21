"""
psycopg's connection and pool, whose waits end at the deadline of the work they are done for (`cache_layer.deadline`).

It is the client that stops waiting, so it does not matter why PostgreSQL does not answer: it is slow, waits for a lock,
hangs, or is cut off. A statement that was sent goes on at the server until it notices that nobody listens any more
(`client_connection_check_interval`).
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from cache_layer.deadline import left_seconds, unlimited, working_within

ENDLESS = 1e9
"""Seconds: more than anything takes."""
PATIENCE_SECONDS, TRIAL_SECONDS = 0.1, 1.0
"""How long a connection is waited for where nobody gets any, and how often one caller waits longer."""


class TimeOver(OperationalError):
    """No time was left to ask: nothing was sent."""

    sqlstate = "57014"  # query_canceled, as PostgreSQL itself says at its own time limits


class BoundedConnection(Connection[Any]):
    """A connection that is closed if an answer does not come in time, since it may still come."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """As psycopg's, by which all of its statements wait."""
        left = left_seconds(ENDLESS)
        if left >= ENDLESS:
            return super().wait(gen, *args, **options)
        if left <= 0:
            raise TimeOver("The time of the request was over before the database was asked.")
        try:
            return super().wait(gen, *args, **options | {"timeout": left})
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise

    def set_autocommit(self, value: bool) -> None:
        """Asks nobody, so it needs no time: Django does it between a commit and what is to be done after it."""
        with unlimited():
            super().set_autocommit(value)


class BoundedPool(ConnectionPool[BoundedConnection]):
    """
    A pool whose connections are waited for no longer than the work has time, and hardly where nobody gets any.

    While PostgreSQL hangs every thread would wait a whole budget, and what does not need it would wait for a thread. So
    where nobody has got a connection for as long as one is waited for, one caller a second waits that long, and the
    others for `PATIENCE_SECONDS`: enough for one that is there.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(connection_class=BoundedConnection, check=self._check_all, **options)
        self._turn = threading.Lock()
        self._asked_in_vain_since: float | None = None
        self._next_trial = 0.0

    def _check_all(self, connection: BoundedConnection) -> None:
        """Check a connection before it is given out; where one is dead, all are replaced, not one after the other."""
        try:
            self.check_connection(connection)
        except TimeOver:
            raise
        except OperationalError:
            self.drain()
            raise

    def getconn(self, timeout: float | None = None) -> BoundedConnection:
        """As psycopg's; to find a connection dead is part of the waiting."""
        seconds = max(0.0, left_seconds(self.timeout if timeout is None else timeout))
        if not self._is_worth_waiting():
            seconds = min(seconds, PATIENCE_SECONDS)
        with working_within(seconds * 1000):
            connection = super().getconn(seconds)
        with self._turn:
            self._asked_in_vain_since = None
        return connection

    def _is_worth_waiting(self) -> bool:
        """Whether somebody got a connection lately, or it is this caller's turn to try."""
        now = monotonic()
        with self._turn:
            if self._asked_in_vain_since is None:
                self._asked_in_vain_since = now
            if now - self._asked_in_vain_since < self.timeout:
                return True
            if now < self._next_trial:
                return False
            self._next_trial = now + TRIAL_SECONDS
            return True
