"""`Model.coherent`: a model's entries, read by key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cache_layer.keys import is_text
from cache_layer.lookup import Entry, Lookup
from cache_layer.reading.asynchronous import aread_documents
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.writing.writes import invalidate_entries


class CoherentEntries:
    """
    The entries of one lookup.

    Documents are named tuples shared by all threads; none is older than the last write that returned before the read.
    """

    def __init__(self, lookup: Lookup[Any]) -> None:
        self.lookup = lookup

    def get(self, key: Any, default: Any = None) -> Any:
        """The document of the row with this key; `default` if there is no such row."""
        name = str(key)
        document = read_entry(self.lookup, name).document if is_text(name) else None
        return default if document is None else document

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """The documents of existing rows, by key; one round trip for all that this process has no copy of."""
        names = _names(keys)
        reads = read_entries(self.lookup, names.values())
        return {key: reads[name].document for key, name in names.items() if reads[name].document is not None}

    async def aget(self, key: Any, default: Any = None) -> Any:
        """As `get`; returns a copy in this process's memory at once, and waits for anything else in a thread."""
        return (await self.aget_many([key])).get(key, default)

    async def aget_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """As `get_many`, and asynchronous as `aget`."""
        names = _names(keys)
        found = await aread_documents(self.lookup, names.values())
        return {key: found[name] for key, name in names.items() if found[name] is not None}

    def invalidate(self, *keys: Any) -> int:
        """
        Drop entries by hand and return how many were in Redis. Changes of rows do not need this.

        Raises:
            CacheUnavailable: Redis did not answer: entries may or may not be dropped, try again.
        """
        return invalidate_entries([Entry(self.lookup, name) for name in _names(keys).values()])


def _names(keys: Iterable[Any]) -> dict[Any, str]:
    """The identifiers that a row can have, by key."""
    return {key: name for key in keys if is_text(name := str(key))}
