"""
Makes COMMIT wait until no process has a copy of what the transaction changes.

    class DatabaseWrapper(DrainBeforeCommit, postgresql.base.DatabaseWrapper): ...

The copies only have to be gone when the change becomes visible. So a transaction waits once, at its end, for the rest
of the local lease since its newest hold. With other backends, and in autocommit mode, the wait follows the hold.
"""

from typing import Any

from cache_layer.memory.pending import drain_writes


class DrainBeforeCommit:
    """A mixin for Django's database backends; list it before the backend's own class."""

    alias: str

    def _commit(self) -> Any:
        drain_writes(self.alias)
        return super()._commit()  # type: ignore[misc] # the backend's
