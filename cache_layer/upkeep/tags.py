"""
Tags: groups of entries, named by what they have in common, that are dropped with one write.

A lookup says which entries a tag names, by asking the database. Nothing is noted when an entry is filled: Redis could
lose such a note, and with it an invalidation. Each entry is kept coherent by the writes of its own rows, whatever its
tags; a tag is for people, and means whom it names at the moment it is asked.
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
        UnknownTag: the lookup has no such tag; the message says which there are.
    """
    if lookup.tagged is None:
        raise UnknownTag(f"The lookup {lookup.name!r} has no tags.")
    return list(dict.fromkeys(lookup.tagged(tag)))


def invalidate_tag(lookup: Lookup[Any], tag: str, *, besides: Iterable[Entry] = ()) -> int:
    """
    Drop every entry that a tag names; when this returns no process serves what it replaced.

    Args:
        besides: entries made of the same rows, to be dropped with them.
    Returns:
        How many had a value in Redis.
    Raises:
        UnknownTag: there is no such tag; nothing was dropped.
        CacheUnavailable: Redis did not answer: nothing is certain, try again.
    """
    return invalidate_entries([*(Entry(lookup, identifier) for identifier in find_tagged(lookup, tag)), *besides])
