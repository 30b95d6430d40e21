"""Committed changes that the cache may not know of yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connections
from django.db.models import Count, Min
from django.db.models.functions import Extract, Now

from cache_layer.lookup import Lookup, changes_of, outbox_alias
from cache_layer.models import Change

BATCH_CHANGES = 1_000
FORGET_SECONDS = 0.05
"""How long a settled change may stay in the outbox."""
FORGET = """
    DELETE FROM cache_layer_outbox
    USING (SELECT set_config('synchronous_commit', 'off', true)) AS this_transaction
    WHERE id = ANY(%s)
"""


class Backlog(NamedTuple):
    """
    What the relay still has to do: a health figure.

    Attributes:
        changes: how many changes wait.
        oldest_seconds: how long the oldest has waited; 0 if there is none.
    """

    changes: int
    oldest_seconds: float

    @classmethod
    def measure(cls, *, using: str = "") -> Backlog:
        """
        How much the relay still has to do, in the database `using` or else in that of the lookups.

        Raises:
            django.db.Error: PostgreSQL did not answer.
        """
        found = Change.objects.using(using or outbox_alias()).aggregate(
            changes=Count("id"), oldest=Extract(Now() - Min("changed_ts"), "epoch")
        )
        return cls(found["changes"], max(0.0, float(found["oldest"] or 0)))


def find_changes(lookup: Lookup[Any], identifiers: Iterable[str], *, using: str) -> dict[str, tuple[int, ...]]:
    """
    The outbox ids of the committed changes of entries, by identifier.

    Releasing or invalidating a key delivers all changes committed before, whoever made them.
    """
    changes = changes_of(lookup, identifier__in=list(identifiers)).using(using)
    by_identifier = changes.values_list("identifier").annotate(ids=ArrayAgg("id"))
    return {identifier: tuple(ids) for identifier, ids in by_identifier}


def forget_changes(ids: Sequence[int], *, using: str) -> None:
    """Delete delivered changes. This does not wait for the disk: after a crash they are delivered again."""
    if ids:
        with connections[using].cursor() as cursor:
            cursor.execute(FORGET, [list(ids)])


class Settled:
    """Delivered changes still in the outbox: deleted together, after `FORGET_SECONDS` or once there are many."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self._forget_at = monotonic()

    def add(self, changes: list[Any]) -> None:
        if changes and not self.ids:
            self._forget_at = monotonic() + FORGET_SECONDS
        self.ids |= {change.id for change in changes}

    def forget(self, using: str, *, at_once: bool = False) -> None:
        """Delete them from the outbox, if they have been there for a while, or are many."""
        if at_once or len(self.ids) >= BATCH_CHANGES or monotonic() >= self._forget_at:
            forget_changes(list(self.ids), using=using)
            self.ids = set()
