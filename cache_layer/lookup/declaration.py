"""
What is cached. Declare and register a lookup to make a model coherent, or let `@coherent` create one; a project's is a
`CoherentLookup`, which adds what can be done with the entries:

    RATE = CoherentLookup(
        name="rate",
        model=Rate,
        identifier_field="name",
        key_pattern="rate:{}",
        rows=lambda names: Rate.objects.filter(name__in=names),
        build=lambda rows: rows[0].cents_per_hour if rows else None,
        encode=lambda cents: json.dumps(cents).encode(),
        decode=decode_cents,
    )
    RATE.register()
"""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Generic, NamedTuple, TypeVar

from django.db.models import Model, QuerySet

from cache_layer.errors import InvalidLookup
from cache_layer.keys import stamp_key

Document = TypeVar("Document")

ARGUMENTS = {"rows": "identifiers", "build": "rows", "encode": "document", "decode": "identifier, payload"}
"""The arguments of each of a lookup's functions."""
OWN_PREFIXES = ("{", "cache_layer:")
"""Companions, and this package's own keys, begin so."""
GLOB = re.compile(r"[*?\[\]^\\]")
"""Special characters of SCAN, which finds the keys to clear and to purge."""


class Part(NamedTuple):
    """
    Rows that entries are built from.

    Attributes:
        field: the field that holds the identifier of a row's entry; None for a single entry built from all rows.
        columns: the names of the fields that matter, a relation's with and without `_id`; empty for all.
        created: whether a new row may change an entry; False if nobody can have asked for that entry before.
    """

    model: type[Model]
    field: str | None
    columns: frozenset[str] = frozenset()
    created: bool = True

    def concerns(self, changed: Iterable[str] | None) -> bool:
        """Whether a change of these fields (None for any) may change an entry."""
        return changed is None or not self.columns or not self.columns.isdisjoint(changed)


@dataclass(frozen=True, eq=False)
class Lookup(Generic[Document]):
    """
    One kind of entry.

    Attributes:
        name: the name in commands and log lines.
        model: the model of the rows, one row per entry (or all rows, for a single entry).
        identifier_field: the model field that tells entries apart; None for a single entry built from all rows.
        key_pattern: the Redis key, with `{}` for the identifier (without, for a single entry).
        rows: returns the query for some identifiers (`[""]` for a single entry), with all columns.
        build: builds the document, which all threads share, from one identifier's rows; None if there is nothing to
            cache.
        encode: returns the document's bytes in Redis.
        decode: returns the document of an identifier's bytes. For bytes that `encode` would not write it raises
            `OtherRelease`, if another release sharing the Redis would, or another error (usually ValueError).
        columns: if given, rows are named tuples of these fields, which are faster to make than model instances.
        tagged: returns the identifiers that a tag names, from the primary database; raises UnknownTag.
        write_through: whether a writer leaves the new value in the cache (else the next reader fills it).
        columns_read: the fields of `model` that the document depends on; empty for all. Changing others costs nothing.
        created: whether a new row of `model` may change an entry, see `Part`.
        further_parts: other models whose rows the document is built from too, each with its field that holds the
            identifier.
        ttl_seconds: how long a value lives in Redis.
        stamp: the name of the stamps, which lookups with the same name share; empty for none. An entry has not changed
            while its stamp stays the same.
        stamps: how many stamps the entries are spread over.
        counted: whether metrics and dashboards include its reads and invalidations.
        missing: returns the document of an identifier without a row, if it has one; needs `write_through` off.
        rest_seconds: how long a copy may rest on its stamp before Redis is asked for the value itself again.
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
    further_parts: tuple[tuple[type[Model], str], ...] = ()
    ttl_seconds: int = 300
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
            wanted = "no {}: it has one entry" if self.identifier_field is None else "one {}, for the identifier"
            raise self.invalid(f"key_pattern is {self.key_pattern!r}; it must have {wanted}.")
        if not before or before.startswith(OWN_PREFIXES) or GLOB.search(self.key_pattern):
            raise self.invalid(
                f"key_pattern is {self.key_pattern!r}: begin it with a prefix of your own, without any of * ? [ ] ^ \\."
            )
        if type(self.ttl_seconds) is not int or self.ttl_seconds < 1:
            raise self.invalid(f"ttl_seconds is {self.ttl_seconds!r}: use whole seconds, 1 or more.")
        for name, arguments in ARGUMENTS.items():
            if not _takes(getattr(self, name), len(arguments.split(", "))):
                raise self.invalid(f"{name} is called as {name}({arguments}), which it does not accept.")
        object.__setattr__(self, "_before", before)
        object.__setattr__(self, "_after", after)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All rows that its entries are built from."""
        own = Part(self.model, self.identifier_field, self.columns_read, self.created)
        return own, *(Part(*part) for part in self.further_parts)

    def stamp_key(self, identifier: str) -> str:
        """The key of the stamp that an entry shares with others; empty if it has none."""
        return stamp_key(self.stamp, zlib.crc32(identifier.encode()) % self.stamps) if self.stamp else ""

    def stamp_keys(self) -> list[str]:
        """The keys of all its stamps."""
        return [stamp_key(self.stamp, number) for number in range(self.stamps)] if self.stamp else []

    def key(self, identifier: str) -> str:
        """
        The entry's key: the pattern with the identifier in it and no prefix; constant for a single entry.

        In schema version 1 it is also the value's key in Redis, except that braces are encoded (`keys`).
        """
        return self._before + identifier + self._after if self.identifier_field else self._before

    def key_glob(self) -> str:
        """The `SCAN` pattern of this lookup's keys."""
        return self.key("*")

    def identifier(self, key: str) -> str:
        """The identifier in a key of this lookup."""
        return key.removeprefix(self._before).removesuffix(self._after) if self.identifier_field else ""

    def is_key(self, key: str) -> bool:
        """Whether this is an entry's key, rather than another key that matches the `SCAN` pattern."""
        return key == self.key(self.identifier(key)) and "\0" not in key  # text in PostgreSQL cannot contain NUL

    def payload_of(self, document: Document) -> bytes:
        """
        The document's bytes.

        Raises:
            InvalidLookup: `encode` returned something other than bytes, or empty bytes.
        """
        payload: Any = self.encode(document)
        if not isinstance(payload, bytes) or not payload:
            raise self.invalid(f"encode returned {payload!r:.60}: it must return bytes, one or more.")
        return payload

    def invalid(self, why: str) -> InvalidLookup:
        """The error to raise if this lookup cannot be used."""
        return InvalidLookup(f"The lookup {self.name!r}: {why}")


def _takes(function: Callable[..., Any], number: int) -> bool:
    """Whether `function` takes this many arguments; True for functions without a signature, such as some C ones."""
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
        key: its plain key, from which all its keys in Redis derive (`keys`).
    """

    lookup: Lookup[Any]
    identifier: str = ""
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.lookup.key(self.identifier))

    @property
    def stamp_key(self) -> str:
        """The key of the stamp it shares with others; empty if it has none."""
        return self.lookup.stamp_key(self.identifier)


def stamps_of(entries: Iterable[Entry]) -> set[str]:
    """The keys of the stamps that vouch for `entries`."""
    return {entry.stamp_key for entry in entries} - {""}


def entries_of(parts: Iterable[tuple[Lookup[Any], Part]], rows: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """
    The entries that these parts of lookups build from rows, each once in its lookup.

    Args:
        rows: the values of the fields that hold identifiers; NULLs, and expressions that the database has yet to
            evaluate, identify nothing.
    """
    entries: list[Entry] = []
    for lookup, part in parts:
        values = (row.get(part.field or "") for row in rows)
        known = (str(value) for value in values if not (value is None or hasattr(value, "resolve_expression")))
        identifiers = dict.fromkeys(known) if part.field else [""]
        entries += [Entry(lookup, identifier) for identifier in identifiers]
    return entries
