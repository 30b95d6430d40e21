"""Where Django looks for the backend's `DatabaseWrapper`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
from django.db import OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from cache_layer.errors import OutcomeUnknown
from pmo.database.bounded import BoundedConnection, BoundedPool, TimeOver

Wrapper: Any = base.DatabaseWrapper
"""Untyped: what is of interest here the stubs leave out."""


class DatabaseWrapper(Wrapper):  # type: ignore[misc] # as above
    """Django's, with bounded connections, which says when it cannot be known whether a commit has happened."""

    Database = SimpleNamespace(**vars(psycopg) | {"connect": BoundedConnection.connect})

    @property
    def pool(self) -> Any:
        """As Django's, which names the classes itself."""
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

    def _commit(self) -> Any:
        try:
            return super()._commit()
        except OperationalError as error:
            if isinstance(error.__cause__, TimeOver) or not self._is_lost():
                raise
            raise OutcomeUnknown(str(error)) from error

    def _is_lost(self) -> bool:
        return self.connection is None or bool(self.connection.closed)
