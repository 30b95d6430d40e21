"""Every entry of a lookup at once: found by SCAN, dropped in batches."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from typing import Any

from cache_layer.activity import note_invalidated
from cache_layer.keys import entry_key, value_key
from cache_layer.lookup import Lookup
from cache_layer.memory.local_store import drain, drop_copy
from cache_layer.protocol.calls import BATCH_KEYS
from cache_layer.protocol.scripts import Invalidated, invalidate_keys
from cache_layer.server.connection import get_writer_client

logger = logging.getLogger("cache_layer")


def clear_entries(lookup: Lookup[Any], *, cause: str = "clear") -> int:
    """
    Drop every entry of a lookup; holds stay in force, and no other key is touched.

    Args:
        cause: what the counters call it.
    Returns:
        How many values were dropped.
    Raises:
        CacheUnavailable: Redis did not answer: nothing is certain, try again.
    """
    dropped = 0
    # Once does not do: a lease ahead of the scan may become a value behind it, and a slot that moves be seen nowhere.
    scans = (scan_keys(lookup, companions=True) for _ in range(2))
    for batch in chain.from_iterable(scans):
        outcomes = invalidate_keys(batch)
        with_value = [key for key, outcome in outcomes.items() if outcome is Invalidated.DROPPED]
        note_invalidated(with_value if lookup.counted else (), cause)
        dropped += len(with_value)
        for key in batch:
            drop_copy(key)
    invalidate_keys((), lookup.stamp_keys())
    drain()
    logger.info("Cache cleared", extra={"lookup": lookup.name, "count": dropped})
    return dropped


def scan_keys(lookup: Lookup[Any], *, companions: bool = False) -> Iterator[list[str]]:
    """
    The plain keys of what has a value in this schema version, in batches.

    Args:
        companions: also keys that have no value but a lease (someone is filling them), a marker (no such row) or a
            value of another version.
    """
    glob = f"*{value_key(lookup.key_glob(), version=1)}*" if companions else value_key(lookup.key_glob())
    batch: set[str] = set()
    scans = (node.scan_iter(match=glob, count=1000) for _, node in get_writer_client().nodes())
    for raw in chain.from_iterable(scans):
        key = entry_key(raw.decode(errors="replace"))
        if lookup.is_key(key):
            batch.add(key)
        if len(batch) >= BATCH_KEYS:
            yield list(batch)
            batch = set()
    if batch:
        yield list(batch)
