"""Changes that are committed and that the cache may not know of yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Count, Min
from django.db.models.functions import Extract, Now

from cache_layer.lookup import Lookup, changes_of, outbox_alias
from cache_layer.models import Change

FORGET = """
    DELETE FROM cache_layer_outbox
    USING (SELECT set_config('synchronous_commit', 'off', true)) AS this_transaction
    WHERE id = ANY(%s)
"""


class Backlog(NamedTuple):
    """
    What the relay has still to do: a health figure.

    Attributes:
        changes: how many.
        oldest_seconds: how long the oldest has waited; 0 if there is none.
    """

    changes: int
    oldest_seconds: float


def find_changes(lookup: Lookup[Any], identifiers: Iterable[str], *, using: str) -> dict[str, tuple[int, ...]]:
    """
    The ids of the committed changes behind entries, by identifier.

    What was committed before a key is released or invalidated is covered by that, whoever committed it.
    """
    found: dict[str, tuple[int, ...]] = {}
    changes = changes_of(lookup, {"identifier__in": list(identifiers)}).using(using)
    for identifier, number in changes.values_list("identifier", "id"):
        found[identifier] = (*found.get(identifier, ()), number)
    return found


def forget_changes(ids: Sequence[int], *, using: str) -> None:
    """The cache has been told of these changes. Nobody waits for the disk: after a crash it is told once more."""
    if ids:
        with connections[using].cursor() as cursor:
            cursor.execute(FORGET, [list(ids)])


def measure_backlog(*, using: str = "") -> Backlog:
    """
    How much the relay has still to do in a database; in that of the lookups unless `using` names one.

    Raises:
        django.db.Error: PostgreSQL did not answer.
    """
    found = Change.objects.using(using or outbox_alias()).aggregate(
        changes=Count("id"), oldest=Extract(Now() - Min("changed_ts"), "epoch")
    )
    return Backlog(found["changes"], max(0.0, float(found["oldest"] or 0)))
