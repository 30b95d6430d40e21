"""Write-through: a writer leaves the values it has just committed in the cache."""

import logging
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from cache_layer.lookup import Lookup, load
from cache_layer.memory.pending import HeldEntry
from cache_layer.writing.outbox import find_changes

logger = logging.getLogger("cache_layer")

MAX_KEYS = 16
"""Writers of more entries leave the values to the next readers."""


def read_back(held: Collection[HeldEntry], using: str) -> None:
    """
    Find the committed values of entries this writer held alone, and the changes of all entries it held.

    One query per lookup reads both. If that fails, the values are left to the next readers, the changes to the relay.
    """
    of_lookup: dict[Lookup[Any], list[HeldEntry]] = defaultdict(list)
    for each in held:
        if each.entry.lookup.identifier_field is not None:  # the outbox does not name single entries
            of_lookup[each.entry.lookup].append(each)
    for lookup, entries in of_lookup.items():
        try:
            _read_back(lookup, entries, using, values=lookup.write_through and len(held) <= MAX_KEYS)
        except Exception as error:  # also of a lookup's own functions: the commit has happened, holds must end
            keys = [each.entry.key for each in held]
            logger.warning("Outbox left to the relay", extra={"keys": keys[:10], "error": str(error)})


def _read_back(lookup: Lookup[Any], entries: list[HeldEntry], using: str, *, values: bool) -> None:
    alone = [each.entry.identifier for each in entries if each.alone and values]
    loaded = load(lookup, alone, changes=True) if alone else {}
    rest = {each.entry.identifier: each for each in entries}
    for identifier, found in loaded.items():
        if found.payload:  # of a row, whose query found its changes too
            each = rest.pop(identifier)
            each.changes = found.changes
            each.payload = found.payload if found.may_be_cached else b""
    changes = find_changes(lookup, rest, using=using) if rest else {}
    for identifier, each in rest.items():
        each.changes = changes.get(identifier, ())
