"""
Tags name groups of entries by what they have in common, and drop a group in one call.

A lookup finds a tag's entries by asking the database. Fills record no tags: Redis could lose such a record, and with it
an invalidation. Writes keep each entry coherent whatever its tags; a tag is for people, and covers the entries it names
at the moment it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cache_layer.errors import UnknownTag
from cache_layer.lookup import Entry, Lookup
from cache_layer.writing.writes import invalidate_entries


def find_tagged(lookup: Lookup[Any], tag: str) -> list[str]:
    """
    The identifiers that a tag names, as they are committed now.

    Raises:
        UnknownTag: the lookup has no such tag; the message lists the ones it has.
    """
    if lookup.tagged is None:
        raise UnknownTag(f"The lookup {lookup.name!r} has no tags.")
    return list(dict.fromkeys(lookup.tagged(tag)))


def invalidate_tag(lookup: Lookup[Any], tag: str, *, besides: Iterable[Entry] = ()) -> int:
    """
    Drop every entry that a tag names; once this returns, no process serves the old values.

    Args:
        besides: entries built from the same rows, to drop with them.
    Returns:
        How many had a value in Redis.
    Raises:
        UnknownTag: there is no such tag; nothing was dropped.
        CacheUnavailable: Redis did not answer: entries may or may not be dropped, try again.
    """
    return invalidate_entries([*(Entry(lookup, identifier) for identifier in find_tagged(lookup, tag)), *besides])
