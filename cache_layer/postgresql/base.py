"""The module in which Django looks for a backend's `DatabaseWrapper`."""

from typing import Any

from django.db.backends.postgresql import base

from cache_layer.writing.commit import DrainBeforeCommit

Wrapper: Any = base.DatabaseWrapper
"""Untyped: the stubs lack what is needed here."""


class DatabaseWrapper(DrainBeforeCommit, Wrapper):  # type: ignore[misc] # as above
    """Django's for PostgreSQL; a transaction waits once, at its end, for the copies of what it changes."""
