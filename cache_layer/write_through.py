"""Write-through: the committed values that a writer, who has just changed them, may leave in the cache."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError

from cache_layer.lookup import Lookup, load
from cache_layer.pending import HeldEntry

logger = logging.getLogger("cache_layer")

MOST_KEYS = 16
"""A writer of more leaves the values to the next readers."""


def read_back(held: Mapping[str, HeldEntry]) -> dict[str, bytes]:
    """The payloads, by key, of what this writer held alone; nothing of what the database does not give now."""
    if len(held) > MOST_KEYS:
        return {}
    identifiers: dict[Lookup[Any], list[str]] = defaultdict(list)
    for entry in held.values():
        if entry.alone and entry.lookup.write_through:
            identifiers[entry.lookup].append(entry.identifier)
    payloads: dict[str, bytes] = {}
    for lookup, of_it in identifiers.items():
        try:
            loaded = load(lookup, of_it)
        except DatabaseError as error:
            logger.warning("Write-through skipped", extra={"keys": list(held), "error": str(error)})
            continue
        for identifier, committed in loaded.items():
            if committed.document is not None and committed.may_be_cached:
                payloads[lookup.key(identifier)] = lookup.encode(committed.document)
    return payloads
