"""What is cached: how it is declared, registered and loaded."""

from cache_layer.lookup.declaration import Entry, Lookup, Part, entries_of, stamps_of
from cache_layer.lookup.loading import Loaded, changes_of, load
from cache_layer.lookup.registry import (
    find_lookup,
    get_lookup,
    outbox_alias,
    parts_of,
    parts_of_table,
    register,
    registered_lookups,
)

__all__ = [
    "Entry",
    "Loaded",
    "Lookup",
    "Part",
    "changes_of",
    "entries_of",
    "find_lookup",
    "get_lookup",
    "load",
    "outbox_alias",
    "parts_of",
    "parts_of_table",
    "register",
    "registered_lookups",
    "stamps_of",
]
