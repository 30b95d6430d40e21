"""Finds all entries of some lookups by SCAN, and drops them in batches."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from os.path import commonprefix
from typing import Any

from cache_layer.activity import note_invalidated
from cache_layer.keys import plain_key_of, value_key
from cache_layer.lookup import Entry, Lookup, find_lookup
from cache_layer.memory.local_store import drain, drop_copy
from cache_layer.protocol.calls import BATCH_KEYS
from cache_layer.protocol.scripts import Invalidated, invalidate_keys
from cache_layer.server.connection import get_writer_client

logger = logging.getLogger("cache_layer")

SCAN_KEYS = 4_000
"""Keys that the server looks at in one round trip; it does nothing else for about a millisecond."""


def clear_entries(*lookups: Lookup[Any], cause: str = "clear") -> int:
    """Drop every entry of these lookups, for a `cause` in the counters; see `CoherentLookup.clear`."""
    if not lookups:
        return 0
    dropped = 0
    # One scan is not enough: a lease ahead of it may become a value behind it, and it may miss a slot that is moving.
    scans = (scan_entries(lookups, companions=True) for _ in range(2))
    for batch in chain.from_iterable(scans):
        outcomes = invalidate_keys(entry.key for entry in batch)
        with_value = [entry for entry in batch if outcomes[entry.key] is Invalidated.DROPPED]
        note_invalidated([entry.key for entry in with_value if entry.lookup.counted], cause)
        dropped += len(with_value)
        for entry in batch:
            drop_copy(entry.key)
    invalidate_keys((), {key for lookup in lookups for key in lookup.stamp_keys()})
    drain()
    logger.info("Cache cleared", extra={"lookup": ", ".join(lookup.name for lookup in lookups), "count": dropped})
    return dropped


def scan_entries(lookups: Sequence[Lookup[Any]], *, companions: bool = False) -> Iterator[list[Entry]]:
    """
    The entries of these lookups that have a value in this schema version, in batches; SCAN may return one twice.

    Args:
        companions: include entries that only have a lease (someone is filling it), an absent marker or a value of
            another version.
    """
    batch: dict[str, Entry] = {}
    globs = globs_of(lookups)
    scans = (node.scan_iter(match=glob, count=SCAN_KEYS) for _, node in get_writer_client().nodes() for glob in globs)
    for raw in chain.from_iterable(scans):
        found = raw.decode(errors="replace")
        key = plain_key_of(found)
        if companions or found == value_key(key):
            lookup = find_lookup(key, lookups)
            if lookup is not None:
                batch[key] = Entry(lookup, lookup.identifier(key))
        if len(batch) >= BATCH_KEYS:
            yield list(batch.values())
            batch = {}
    if batch:
        yield list(batch.values())


def globs_of(lookups: Iterable[Lookup[Any]]) -> list[str]:
    """Patterns as `glob_of`'s, one for each first segment of keys: the server does not send everybody's keys."""
    by_segment = sorted(lookups, key=_first_segment)
    return [glob_of(group) for _, group in groupby(by_segment, key=_first_segment)]


def glob_of(lookups: Iterable[Lookup[Any]]) -> str:
    """A SCAN pattern that matches every key of these lookups, and perhaps others with the same prefix."""
    return f"*{commonprefix([value_key(each.key_glob(), version=1) for each in lookups])}*"  # noqa: RUF071 # of keys


def _first_segment(lookup: Lookup[Any]) -> str:
    return lookup.key_pattern.partition(":")[0]
