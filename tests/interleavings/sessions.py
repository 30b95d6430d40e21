"""What becomes of COMMITs that do not just happen."""

from typing import Any

import psycopg
from django.db import DatabaseError


class CommitRefused(DatabaseError):
    """As a deferred constraint or a serialization failure would."""


class LostSession:
    """What a process has left of a session that broke while it waited for the answer to COMMIT."""

    closed = True

    def commit(self) -> None:
        raise psycopg.OperationalError("the connection is lost")

    rollback = commit

    def close(self) -> None:
        pass


class LateCommit:
    """
    A COMMIT that PostgreSQL has yet to see, of a process that has lost its connection since.

    Attributes:
        is_held: the process's holds are in force until then.
    """

    def __init__(self, session: Any, *, is_held: bool) -> None:
        self.is_held = is_held
        self._session = session

    def run(self) -> None:
        self._session.commit()
        self._session.close()

    def drop(self) -> None:
        self._session.close()
