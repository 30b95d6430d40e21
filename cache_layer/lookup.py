"""
What is cached. A model is made coherent by declaring and registering a lookup:

    ENTITY = Lookup(
        name="entity",
        model=Entity,
        identifier_field="code",
        key_pattern="entity:metadata:{}",
        rows=lambda codes: Entity.objects.filter(code__in=codes, active_flag=True),
        build=lambda rows: document_of(rows[0]) if rows else None,
        encode=encode,
        decode=decode,
    )
    register(ENTITY)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connections, router
from django.db.models import BooleanField, Model, OuterRef, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from cache_layer.keys import purge_after_restart, stamp_key, value_key
from cache_layer.metrics import LOAD_SECONDS
from cache_layer.models import Change
from cache_layer.options import entry_ttl_seconds

Document = TypeVar("Document")

MAY_BE_CACHED = (
    "pg_current_xact_id_if_assigned() IS NULL"
    " AND current_setting('transaction_isolation') = 'read committed'"
    " AND NOT pg_is_in_recovery()"
)
"""SQL: what this query sees is committed, and nothing newer was committed before it began."""


class Part(NamedTuple):
    """
    Rows that entries are made of.

    Attributes:
        field: of the rows, which holds the identifier of their entry; None for a single entry made of all rows.
        columns: the names of the fields that matter, a relation's with and without `_id`; empty for all.
        created: whether a row that is added may change an entry. Not if nobody can have asked for it before.
    """

    model: type[Model]
    field: str | None
    columns: frozenset[str] = frozenset()
    created: bool = True

    def concerns(self, changed: Iterable[str] | None) -> bool:
        """Whether a change of these fields (None: of any) may change an entry."""
        return changed is None or not self.columns or not self.columns.isdisjoint(changed)


@dataclass(frozen=True, eq=False)
class Lookup(Generic[Document]):
    """
    One kind of entry.

    Attributes:
        name: how commands and log lines call it.
        model: whose rows it is made of, one for each entry (or all of them, for a single entry).
        identifier_field: the model field that tells entries apart; None for a single entry made of all rows.
        key_pattern: the Redis key, with `{}` for the identifier (without, for a single entry).
        rows: the query for some identifiers (`[""]` for a single entry), all of its columns.
        build: the document made of one identifier's rows, which all threads share; None if there is nothing to cache.
        encode: the document's bytes in Redis.
        decode: the document of an identifier's bytes; raises ValueError unless they are what `encode` gives today.
        columns: makes the rows named tuples of these fields instead of model instances, which take longer to make.
        tagged: the identifiers that a tag names, asked of the primary database; raises UnknownTag.
        write_through: whether a writer leaves the new value in the cache (else the next reader fills it).
        columns_read: the fields of `model` that the document is made of; empty for all. To change others costs nothing.
        created: whether a row of `model` that is added may change an entry, see `Part`.
        further_parts: rows of other models that the document is made of too.
        lifetime_seconds: the TTL of the values; None for that of the cache alias.
        stamp: the name of the stamps that the entries share with those of other lookups of the same name; empty for
            none. While its stamp stays the same an entry has not changed.
        stamps: among how many stamps the entries are spread.
        counted: whether reads and invalidations are among those that metrics and dashboards tell of.
        missing: the document of an identifier that has no row, where that is one too; `write_through` must be off then.
        rest_seconds: how long a copy may rest on its stamp until Redis is asked for the value itself again.
    """

    name: str
    model: type[Model]
    identifier_field: str | None
    key_pattern: str
    rows: Callable[[Sequence[str]], QuerySet[Any]]
    build: Callable[[Sequence[Any]], Document | None]
    encode: Callable[[Document], bytes]
    decode: Callable[[str, bytes], Document]
    columns: tuple[str, ...] = ()
    tagged: Callable[[str], Iterable[str]] | None = None
    write_through: bool = True
    columns_read: frozenset[str] = frozenset()
    created: bool = True
    further_parts: tuple[Part, ...] = ()
    lifetime_seconds: int | None = None
    stamp: str = ""
    stamps: int = 1
    counted: bool = True
    rest_seconds: float = 1.0
    missing: Callable[[str], Document] | None = None
    _before: str = field(init=False)
    _after: str = field(init=False)

    def __post_init__(self) -> None:
        before, _, after = self.key_pattern.partition("{}")
        object.__setattr__(self, "_before", before)
        object.__setattr__(self, "_after", after)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything its entries are made of."""
        return Part(self.model, self.identifier_field, self.columns_read, self.created), *self.further_parts

    def stamp_key(self, identifier: str) -> str:
        """The key of the stamp that an entry shares with others; empty if it has none."""
        return stamp_key(self.stamp, zlib.crc32(identifier.encode()) % self.stamps) if self.stamp else ""

    def stamp_keys(self) -> list[str]:
        """The keys of all its stamps."""
        return [stamp_key(self.stamp, number) for number in range(self.stamps)] if self.stamp else []

    def key(self, identifier: str) -> str:
        """
        The entry's key: exactly the pattern, no prefix; the same for all of a single entry.

        In schema version 1 it is the value's key in Redis, but for braces (`keys`).
        """
        return self._before + identifier + self._after if self.identifier_field else self._before

    def key_glob(self) -> str:
        """A pattern of this lookup's keys, for `SCAN`."""
        return self.key("*")

    def identifier(self, key: str) -> str:
        """The identifier in a key of this lookup."""
        return key.removeprefix(self._before).removesuffix(self._after) if self.identifier_field else ""

    def is_key(self, key: str) -> bool:
        """Whether this is the key of an entry, and not of something else that `SCAN` finds by the same pattern."""
        return key == self.key(self.identifier(key)) and "\0" not in key  # which no text in PostgreSQL has

    @property
    def ttl_seconds(self) -> int:
        """How long a value lives in Redis."""
        return self.lifetime_seconds or entry_ttl_seconds()


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry of a lookup.

    Attributes:
        identifier: empty for the single entry of a lookup without identifiers.
        key: its plain key, of which all of its keys in Redis are made (`keys`).
    """

    lookup: Lookup[Any]
    identifier: str = ""
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.lookup.key(self.identifier))

    @property
    def stamp_key(self) -> str:
        """The key of the stamp that it shares with others; empty if it has none."""
        return self.lookup.stamp_key(self.identifier)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Document]):
    """
    A document as the database has it, and whether others may be given it too.

    Attributes:
        changes: the ids in the outbox of the committed changes that are in it, if they were asked for.
    """

    document: Document | None
    may_be_cached: bool
    changes: tuple[int, ...] = ()


def load(lookup: Lookup[Document], identifiers: Sequence[str], *, changes: bool = False) -> dict[str, Loaded[Document]]:
    """
    Read entries from the primary database, in one query that also says whether its result may be cached.

    Only if no row is found that takes a second query: it asks about the session, which has not changed since.

    An open transaction that has written, a snapshot (repeatable read) and a replica all may see what is not, or no
    longer, the newest committed state.
    """
    alias = router.db_for_write(lookup.model)
    guard = RawSQL(MAY_BE_CACHED, (), BooleanField())  # noqa: S611 - a constant
    query = lookup.rows(identifiers).using(alias).annotate(may_be_cached=guard)
    extra = ["may_be_cached"]
    if changes:
        query = query.annotate(changes=ArraySubquery(_changes_of_row(lookup)))
        extra.append("changes")
    with LOAD_SECONDS.time():
        found: list[Any] = list(query.values_list(*lookup.columns, *extra, named=True) if lookup.columns else query)
        may_be_cached = found[0].may_be_cached if found else _may_be_cached(alias)
    rows: dict[str, list[Any]] = {identifier: [] for identifier in identifiers}
    for row in found:
        identifier = str(getattr(row, lookup.identifier_field)) if lookup.identifier_field else ""
        if identifier in rows:  # the database may find a row by other spellings than its own
            rows[identifier].append(row)
    build, missing = lookup.build, lookup.missing
    return {
        identifier: Loaded(
            build(of_it) if of_it or missing is None else missing(identifier),
            may_be_cached,
            tuple(of_it[0].changes) if changes and of_it else (),
        )
        for identifier, of_it in rows.items()
    }


def changes_of(lookup: Lookup[Any], identifiers: Any) -> QuerySet[Change]:
    """What the outbox has of entries, by whatever `identifier` can be compared with."""
    condition = Q()
    for part in lookup.parts:
        condition |= Q(table_name=part.model._meta.db_table, field=part.field)
    return Change.objects.filter(condition, **identifiers)


def _changes_of_row(lookup: Lookup[Any]) -> QuerySet[Any]:
    row = Cast(OuterRef(lookup.identifier_field or "pk"), TextField())
    return changes_of(lookup, {"identifier": row}).values("id")


def _may_be_cached(alias: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {MAY_BE_CACHED}")
        return bool(cursor.fetchone()[0])


_registry: dict[str, Lookup[Any]] = {}


def register(lookup: Lookup[Any]) -> None:
    """Make a lookup known, from its app's `lookups` module, which is imported at start-up."""
    _registry[lookup.name] = lookup
    purge_after_restart(value_key(lookup.key_glob(), version=1))
    for key in lookup.stamp_keys():
        purge_after_restart(value_key(key, version=1))


def get_lookup(name: str) -> Lookup[Any]:
    """
    The lookup called `name`.

    Raises:
        LookupError: there is none; the message names those that are.
    """
    try:
        return _registry[name]
    except KeyError:
        raise LookupError(f"no lookup {name!r}; registered: {', '.join(_registry) or 'none'}") from None


def registered_lookups() -> list[Lookup[Any]]:
    """Every lookup, in the order of registration."""
    return list(_registry.values())


def outbox_alias() -> str:
    """The database with the outbox: that of the models that entries are made of."""
    return router.db_for_write(next((lookup.model for lookup in _registry.values()), Change))


def identifiers_of(values: Iterable[Any]) -> list[str]:
    """A field's values as identifiers, each once, but for those that the database has yet to make."""
    made = (value for value in values if not (value is None or hasattr(value, "resolve_expression")))
    return list(dict.fromkeys(map(str, made)))


def parts_of(model: type[Model]) -> list[tuple[Lookup[Any], Part]]:
    """What is made of `model`'s rows."""
    return [(lookup, part) for lookup in _registry.values() for part in lookup.parts if issubclass(model, part.model)]


def parts_of_table(table: str, field: str) -> list[tuple[Lookup[Any], Part]]:
    """What is made of a table's rows and told apart by this field, or not at all; of any field if it is empty."""
    return [
        (lookup, part)
        for lookup in _registry.values()
        for part in lookup.parts
        if part.model._meta.db_table == table and (not field or part.field in (None, field))
    ]
