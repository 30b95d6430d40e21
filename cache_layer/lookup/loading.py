"""Loads entries from the database, and says whether the result may be cached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connections, router
from django.db.models import BooleanField, OuterRef, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from cache_layer.lookup.declaration import Lookup
from cache_layer.metrics import LOAD_SECONDS
from cache_layer.models import Change

Document = TypeVar("Document")

MAY_BE_CACHED = (
    "pg_current_xact_id_if_assigned() IS NULL"
    " AND current_setting('transaction_isolation') = 'read committed'"
    " AND NOT pg_is_in_recovery()"
)
"""SQL: whether this query sees only committed rows, and everything that was committed before it began."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Document]):
    """
    A document loaded from the database.

    Attributes:
        payload: the document's bytes; empty if there is none.
        may_be_cached: whether others may be given it too.
        changes: the outbox ids of the committed changes it includes, if requested.
    """

    document: Document | None
    payload: bytes
    may_be_cached: bool
    changes: tuple[int, ...] = ()


def load(lookup: Lookup[Document], identifiers: Sequence[str], *, changes: bool = False) -> dict[str, Loaded[Document]]:
    """
    Read entries from the primary database, in one query that also says whether its result may be cached.

    If no row is found, a second query asks that of the session, which has not changed in between.

    An open transaction that has written, a snapshot (repeatable read) and a replica may all see something other than
    the newest committed state.
    """
    alias = router.db_for_write(lookup.model)
    extra: dict[str, Any] = {  # under names that no field of a model has
        "cache_layer_guard": RawSQL(MAY_BE_CACHED, (), BooleanField())  # noqa: S611 - a constant
    }
    if changes:
        row = Cast(OuterRef(lookup.identifier_field or "pk"), TextField())
        extra["cache_layer_changes"] = ArraySubquery(changes_of(lookup, identifier=row).values("id"))
    query = lookup.rows(identifiers).using(alias).annotate(**extra)
    with LOAD_SECONDS.time():
        found: list[Any] = list(query.values_list(*lookup.columns, *extra, named=True) if lookup.columns else query)
        may_be_cached = found[0].cache_layer_guard if found else _may_be_cached(alias)
    rows: dict[str, list[Any]] = {identifier: [] for identifier in identifiers}
    for row in found:
        identifier = str(getattr(row, lookup.identifier_field)) if lookup.identifier_field else ""
        if identifier in rows:  # the database may match a row by another spelling
            rows[identifier].append(row)
    loaded: dict[str, Loaded[Document]] = {}
    for identifier, of_it in rows.items():
        document = lookup.build(of_it) if of_it or lookup.missing is None else lookup.missing(identifier)
        payload = lookup.payload_of(document) if document is not None else b""
        delivers = tuple(of_it[0].cache_layer_changes) if changes and of_it else ()
        loaded[identifier] = Loaded(document, payload, may_be_cached, delivers)
    return loaded


def changes_of(lookup: Lookup[Any], **identifiers: Any) -> QuerySet[Change]:
    """The outbox's changes of entries; `identifiers` are the filter arguments on `identifier`."""
    condition = Q()
    for part in lookup.parts:
        condition |= Q(table_name=part.model._meta.db_table, field=part.field)
    return Change.objects.filter(condition, **identifiers)


def _may_be_cached(alias: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {MAY_BE_CACHED}")
        return bool(cursor.fetchone()[0])
