"""
What is cached. A model is made coherent by declaring and registering a lookup, or by `@coherent`, which makes one:

    RATE = Lookup(
        name="rate",
        model=Rate,
        identifier_field="name",
        key_pattern="rate:{}",
        rows=lambda names: Rate.objects.filter(name__in=names),
        build=lambda rows: rows[0].cents_per_hour if rows else None,
        encode=lambda cents: json.dumps(cents).encode(),
        decode=decode_cents,
    )
    register(RATE)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Generic, NamedTuple, TypeVar

from django.db.models import Model, QuerySet

from cache_layer.errors import InvalidLookup
from cache_layer.keys import stamp_key

Document = TypeVar("Document")

ARGUMENTS = {"rows": "identifiers", "build": "rows", "encode": "document", "decode": "identifier, payload"}
"""What the functions of a lookup are called with."""


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
        decode: the document of an identifier's bytes; raises (ValueError by custom) unless they are what `encode` gives
            today, `OtherRelease` if another release may share the Redis and they are what it gives.
        columns: makes the rows named tuples of these fields instead of model instances, which take longer to make.
        tagged: the identifiers that a tag names, asked of the primary database; raises UnknownTag.
        write_through: whether a writer leaves the new value in the cache (else the next reader fills it).
        columns_read: the fields of `model` that the document is made of; empty for all. To change others costs nothing.
        created: whether a row of `model` that is added may change an entry, see `Part`.
        further_parts: rows of other models that the document is made of too.
        lifetime_seconds: the TTL of the values.
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
    lifetime_seconds: int = 300
    stamp: str = ""
    stamps: int = 1
    counted: bool = True
    rest_seconds: float = 1.0
    missing: Callable[[str], Document] | None = None
    _before: str = field(init=False)
    _after: str = field(init=False)

    def __post_init__(self) -> None:
        before, found, after = self.key_pattern.partition("{}")
        if bool(found) is (self.identifier_field is None) or "{}" in after:
            wanted = "no {}: it is of one entry" if self.identifier_field is None else "one {}, for the identifier"
            raise self.invalid(f"key_pattern is {self.key_pattern!r}; it must have {wanted}.")
        if type(self.lifetime_seconds) is not int or self.lifetime_seconds < 1:
            raise self.invalid(f"lifetime_seconds is {self.lifetime_seconds!r}: use whole seconds, 1 or more.")
        for name, arguments in ARGUMENTS.items():
            if not _takes(getattr(self, name), len(arguments.split(", "))):
                raise self.invalid(f"{name} is called as {name}({arguments}), which it does not take.")
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
        return self.lifetime_seconds

    def payload_of(self, document: Document) -> bytes:
        """
        The document's bytes.

        Raises:
            InvalidLookup: `encode` does not give any.
        """
        payload: Any = self.encode(document)
        if not isinstance(payload, bytes) or not payload:
            raise self.invalid(f"encode gave {payload!r:.60}: it must give bytes, one or more.")
        return payload

    def invalid(self, why: str) -> InvalidLookup:
        """What is raised where it cannot be used."""
        return InvalidLookup(f"The lookup {self.name!r}: {why}")


def _takes(function: Callable[..., Any], number: int) -> bool:
    """Whether it can be called with so many arguments; of what is not written in Python nobody knows."""
    try:
        signature(function).bind(*range(number))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


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


def identifiers_of(values: Iterable[Any]) -> list[str]:
    """A field's values as identifiers, each once, but for those that the database has yet to make."""
    made = (value for value in values if not (value is None or hasattr(value, "resolve_expression")))
    return list(dict.fromkeys(map(str, made)))
