"""Write-through: a writer leaves the values it has just committed in the cache."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from cache_layer.lookup import Lookup, load
from cache_layer.memory.pending import HeldEntry
from cache_layer.writing.outbox import find_changes

logger = logging.getLogger("cache_layer")

MAX_KEYS = 16
"""Writers of more entries leave the values to the next readers."""


class CommittedRow(NamedTuple):
    """
    What a writer delivers to Redis about an entry it held.

    Attributes:
        payload: the committed value; empty to let the next reader fill it.
        changes: the outbox ids of the changes this covers.
    """

    payload: bytes = b""
    changes: tuple[int, ...] = ()


def read_back(held: Mapping[str, HeldEntry], using: str) -> dict[str, CommittedRow]:
    """
    The committed values of entries this writer held alone, and the changes of all entries it held, by key.

    One query per lookup reads both. If that fails, the values are left to the next readers, the changes to the relay.
    """
    rows: dict[str, CommittedRow] = {}
    entries: dict[Lookup[Any], list[HeldEntry]] = defaultdict(list)
    for each in held.values():
        if each.entry.lookup.identifier_field is not None:  # the outbox does not name single entries
            entries[each.entry.lookup].append(each)
    for lookup, of_it in entries.items():
        try:
            rows |= _read_back(lookup, of_it, using, values=len(held) <= MAX_KEYS)
        except Exception as error:  # also of a lookup's own functions: the commit has happened, holds must end
            logger.warning("Outbox left to the relay", extra={"keys": list(held)[:10], "error": str(error)})
    return rows


def _read_back(lookup: Lookup[Any], entries: list[HeldEntry], using: str, *, values: bool) -> dict[str, CommittedRow]:
    alone = [each.entry.identifier for each in entries if each.alone] if values and lookup.write_through else []
    rows: dict[str, CommittedRow] = {}
    for identifier, loaded in (load(lookup, alone, changes=True) if alone else {}).items():
        if loaded.payload:
            rows[identifier] = CommittedRow(loaded.payload if loaded.may_be_cached else b"", loaded.changes)
    rest = [each.entry.identifier for each in entries if each.entry.identifier not in rows]
    if rest:
        rows |= {key: CommittedRow(b"", ids) for key, ids in find_changes(lookup, rest, using=using).items()}
    return {each.entry.key: rows[each.entry.identifier] for each in entries if each.entry.identifier in rows}
