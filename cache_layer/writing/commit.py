"""
COMMIT waits for the copies.

    class DatabaseWrapper(DrainBeforeCommit, postgresql.base.DatabaseWrapper): ...

Copies of what a transaction changes only have to be gone when the change becomes visible. So a transaction waits once,
at its end, for what is left of the local lease since its newest hold. With a backend that does not wait, and in
autocommit mode, the wait comes right after the hold.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from cache_layer.memory.pending import drain_writes


class DrainBeforeCommit:
    """A mixin for Django's database backends; it comes before the backend's own class."""

    alias: str

    def _commit(self) -> Any:
        drain_writes(self.alias)
        return super()._commit()  # type: ignore[misc] # the backend's


def waits_at_commit(alias: str) -> bool:
    """Whether a change made now on `alias` becomes visible at a COMMIT that waits for the copies."""
    return isinstance(connections[alias], DrainBeforeCommit)
