"""
psycopg's connection and pool with waits bounded by the deadline of the current work (`cache_layer.deadline`).

The client stops waiting, so it does not matter why PostgreSQL does not answer: slow, waiting for a lock, hung or cut
off. A statement already sent runs on until the server notices that the client is gone
(`client_connection_check_interval`).
"""

import threading
from time import monotonic
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from cache_layer import deadline

ENDLESS = 1e9
"""Seconds; longer than anything takes."""
PATIENCE_SECONDS, TRIAL_SECONDS = 0.1, 1.0
"""How long to wait for a connection while nobody gets any, and how often one caller may wait longer."""


class TimeOver(OperationalError):
    """The deadline passed before the statement was sent."""

    sqlstate = "57014"  # query_canceled, which PostgreSQL reports for its own timeouts


class BoundedConnection(Connection[Any]):
    """A connection that closes itself if an answer does not arrive in time, since it may still arrive later."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """Like psycopg's, which all of its statements wait through."""
        left = deadline.left_seconds(ENDLESS)
        if left >= ENDLESS:
            return super().wait(gen, *args, **options)
        if left <= 0:
            raise TimeOver("The request's time was over before the database was asked.")
        try:
            return super().wait(gen, *args, **options | {"timeout": left})
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise

    def set_autocommit(self, value: bool) -> None:
        """Sends nothing, so it ignores the deadline: Django calls it between a commit and its on-commit hooks."""
        with deadline.working_within(None):
            super().set_autocommit(value)


class BoundedPool(ConnectionPool[BoundedConnection]):
    """
    A pool that bounds waiting by the deadline, and waits only briefly while nobody gets a connection.

    If PostgreSQL hangs, every thread would wait a whole budget, and requests that need no connection would wait for a
    thread. So once nobody has got a connection for a full timeout, one caller a second waits that long; the others wait
    `PATIENCE_SECONDS`, enough if a connection is free.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(connection_class=BoundedConnection, check=self._check_all, **options)
        self._turn = threading.Lock()
        self._asked_in_vain_since: float | None = None
        self._next_trial = 0.0

    def _check_all(self, connection: BoundedConnection) -> None:
        """Check a connection before handing it out; if one is dead, replace all instead of one after the other."""
        try:
            self.check_connection(connection)
        except TimeOver:
            raise
        except OperationalError:
            self.drain()
            raise

    def getconn(self, timeout: float | None = None) -> BoundedConnection:
        """Like psycopg's; discarding dead connections counts towards the wait."""
        seconds = max(0.0, deadline.left_seconds(self.timeout if timeout is None else timeout))
        if not self._is_worth_waiting():
            seconds = min(seconds, PATIENCE_SECONDS)
        with deadline.working_within(seconds * 1000):
            connection = super().getconn(seconds)
        with self._turn:
            self._asked_in_vain_since = None
        return connection

    def _is_worth_waiting(self) -> bool:
        """Whether somebody got a connection recently, or it is this caller's turn to try."""
        now = monotonic()
        with self._turn:
            if self._asked_in_vain_since is None:
                self._asked_in_vain_since = now
            if now - self._asked_in_vain_since >= self.timeout:
                if now < self._next_trial:
                    return False
                self._next_trial = now + TRIAL_SECONDS
            return True
