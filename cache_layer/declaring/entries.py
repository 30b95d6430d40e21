"""What a project does with its entries: read, hold and drop them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from cache_layer.errors import UnknownTag
from cache_layer.keys import is_text
from cache_layer.lookup import Entry, Lookup, entries_of, parts_of, register, registered_lookups
from cache_layer.memory.local_store import Copy
from cache_layer.reading.answered import Read, Reads
from cache_layer.reading.asynchronous import aread_documents
from cache_layer.reading.reads import peek_copy, read_entries, read_entry
from cache_layer.upkeep.audit import Audit, audit_cache
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.writing.writes import hold_entries, holding, invalidate_entries

Document = TypeVar("Document")


class Entries(tuple[Entry, ...]):
    """Entries of any lookups that change together."""

    def __add__(self, other: Iterable[Entry]) -> Entries:  # type: ignore[override] # a tuple's gives a tuple
        return Entries((*self, *other))

    def hold(self, *, using: str) -> None:
        """
        Stop everyone from serving them from the cache until this transaction commits; call this before rows change.

        Raises:
            WriteRefused: Redis is silent and the write policy is `strict`.
        """
        hold_entries(self, using=using)

    def holding(self, *, using: str) -> AbstractContextManager[None]:
        """A transaction that holds them: one hold, one drain and one release for all."""
        return holding(self, using=using)

    def invalidate(self) -> int:
        """
        Drop them by hand; once this returns, no process serves the old values. Changes of rows do not need this.

        Returns:
            How many had a value in Redis.
        Raises:
            CacheUnavailable: Redis did not answer: entries may or may not be dropped, try again.
        """
        return invalidate_entries(self)


class CoherentLookup(Lookup[Document]):
    """
    A lookup with what a project does with its entries; `Model.coherent` is one. Register it to make its model coherent.

    No document is older than the last write that returned before the read. All threads share documents.
    """

    def register(self) -> None:
        """
        Make its model coherent; call this in the app's `lookups` module, which is imported at start-up.

        Raises:
            InvalidLookup: another lookup has its name, or keys of its pattern.
        """
        register(self)

    def entries(self, *identifiers: str) -> Entries:
        """Its entries with these identifiers; or its only one, if it has no identifiers."""
        return Entries(Entry(self, identifier) for identifier in (identifiers if self.identifier_field else ("",)))

    def entries_of_rows(self, *identifiers: str) -> Entries:
        """The entries of all lookups that are built from its model's rows with these identifiers."""
        rows = [{str(self.identifier_field): identifier} for identifier in identifiers]
        return Entries(entries_of(parts_of(self.model), rows))

    def get(self, key: Any, default: Any = None) -> Any:
        """The document of the row with this key; `default` if there is no such row."""
        name = str(key)
        document = read_entry(self, name).document if is_text(name) else None
        return default if document is None else document

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """The documents of existing rows, by key; one round trip for all that this process has no copy of."""
        names = _names(keys)
        reads = read_entries(self, names.values())
        return {key: reads[name].document for key, name in names.items() if reads[name].document is not None}

    async def aget(self, key: Any, default: Any = None) -> Any:
        """As `get`; returns a copy in this process's memory at once, and waits for anything else in a thread."""
        return (await self.aget_many([key])).get(key, default)

    async def aget_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """As `get_many`, and asynchronous as `aget`."""
        names = _names(keys)
        found = await aread_documents(self, names.values())
        return {key: found[name] for key, name in names.items() if found[name] is not None}

    def read(self, identifier: str = "") -> Read[Document]:
        """
        Read one entry, with its bytes and their source: never older than the last write that returned before this call.

        Without Redis it comes from the database, after at most one command's timeout. Without the database, if
        `stale_seconds` allows it, it may be the last known value; its source then is `STALE`.
        """
        return read_entry(self, identifier)

    def read_many(self, identifiers: Iterable[str]) -> Reads[Document]:
        """As `read`, with one round trip for all; by identifier, in the order asked for, each once."""
        return read_entries(self, identifiers)

    def peek(self, identifier: str = "") -> Copy | None:
        """This process's copy of an entry, if this thread may use it now; asks no server."""
        return peek_copy(self, identifier)

    def find_tagged(self, tag: str) -> list[str]:
        """
        The identifiers that a tag names, as they are committed now.

        A tag names a group of entries by what they have in common, for people who drop it. Fills record no tags: Redis
        could lose such a record, and with it an invalidation.

        Raises:
            UnknownTag: the lookup has no such tag; the message lists the ones it has.
        """
        if self.tagged is None:
            raise UnknownTag(f"The lookup {self.name!r} has no tags.")
        return list(dict.fromkeys(self.tagged(tag)))

    def invalidate(self, *keys: Any) -> int:
        """Drop entries by hand; see `Entries.invalidate`."""
        return self.entries(*_names(keys).values()).invalidate()

    def clear(self) -> int:
        """
        Drop every entry; holds stay in force, and no other key is touched.

        Returns:
            How many values were dropped.
        Raises:
            CacheUnavailable: Redis did not answer: entries may or may not be dropped, try again.
        """
        return clear_entries(self)

    @staticmethod
    def clear_all() -> int:
        """As `clear`, for every registered lookup."""
        return clear_entries(*registered_lookups())

    @staticmethod
    def audit_all(*, repair: bool = True) -> Audit:
        """
        Compare every value in Redis with the database, and invalidate those that differ unless `repair` is False.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        return audit_cache(repair=repair)


def _names(keys: Iterable[Any]) -> dict[Any, str]:
    """The identifiers that a row can have, by key."""
    return {key: name for key in keys if is_text(name := str(key))}
