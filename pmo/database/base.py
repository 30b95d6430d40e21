"""The `DatabaseWrapper` that Django looks for here."""

import os
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import psycopg
from django.db import OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from cache_layer import DrainBeforeCommit, OutcomeUnknown, deadline
from pmo.database.bounded import BoundedConnection, BoundedPool, TimeOver
from pmo.database.schema import SchemaEditor

CONNECTING_SECONDS = 2.0
NOTICE_LOST_CLIENTS = """
    SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '25000', false)
"""
"""Matches the settings of our side; no effect over a Unix socket."""

_pools: dict[int, dict[str, BoundedPool]] = {}
"""Per process id, by alias: a forked child inherits its parent's pools but must neither use nor close them."""

Wrapper: Any = base.DatabaseWrapper
"""Untyped: the stubs lack the parts used here."""


class DatabaseWrapper(DrainBeforeCommit, Wrapper):  # type: ignore[misc] # as above
    """
    Django's wrapper with bounded connections; COMMIT waits until cached copies of the changes are gone.

    Raises `OutcomeUnknown` when a commit may or may not have happened.
    """

    # psycopg 3.3, Django 5.2; test_a_statement_that_there_is_no_time_for_is_not_sent notices a change.
    Database = SimpleNamespace(**vars(psycopg) | {"connect": BoundedConnection.connect})

    SchemaEditorClass = SchemaEditor

    @property
    def _connection_pools(self) -> dict[str, BoundedPool]:
        return _pools.setdefault(os.getpid(), {})

    @property
    def pool(self) -> Any:
        """Like Django's, which hardcodes its classes; `pmo.database.address` has refused persistent connections."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            pool = BoundedPool(
                kwargs=self.get_connection_params() | {"autocommit": True},
                open=False,
                configure=self._configure_connection,
                **options,
            )
            self._connection_pools.setdefault(self.alias, pool)
        return self._connection_pools[self.alias]

    def _configure_connection(self, connection: Any) -> bool:
        """
        Like Django's, and the server notices within half a minute when the client vanishes.

        Otherwise an abandoned session keeps its locks, including the relay's, for two hours.
        """
        with self._within_connecting_time():
            super()._configure_connection(connection)
            connection.execute(NOTICE_LOST_CLIENTS)
        return True

    def is_usable(self) -> bool:
        """Like Django's, which also checks after a request has ended, when no deadline applies."""
        with self._within_connecting_time():
            return bool(super().is_usable())

    def _within_connecting_time(self) -> AbstractContextManager[None]:
        """Bound checks outside the request's own work by the connect timeout."""
        seconds: float = self.settings_dict["OPTIONS"].get("connect_timeout", CONNECTING_SECONDS)
        return deadline.working_within(deadline.left_seconds(seconds) * 1000)

    def _commit(self) -> Any:
        try:
            return super()._commit()
        except OperationalError as error:
            is_lost = self.connection is None or self.connection.closed
            if isinstance(error.__cause__, TimeOver) or not is_lost:
                raise
            raise OutcomeUnknown(str(error)) from error
