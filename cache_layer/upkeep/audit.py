"""The audit: compares every value in Redis with the database, and repairs differences."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import DataError

from cache_layer.activity import note_invalidated
from cache_layer.errors import OtherRelease
from cache_layer.keys import value_key
from cache_layer.lookup import Entry, Loaded, Lookup, load, registered_lookups, stamps_of
from cache_layer.metrics import AUDITED_AT, AUDITED_VALUES, MISMATCHES
from cache_layer.protocol.packing import unpack
from cache_layer.protocol.scripts import invalidate_keys
from cache_layer.server.connection import get_redis_client
from cache_layer.upkeep.clearing import scan_entries

logger = logging.getLogger("cache_layer")

GRACE_SECONDS = 0.25
"""How long a difference must last to count, since a change under way is not a fault."""


class Mismatch(NamedTuple):
    """
    A value in Redis that differs from the database.

    Attributes:
        age_seconds: how long ago it was stored, judging by its TTL.
    """

    entry: Entry
    cached: bytes
    committed: bytes
    age_seconds: float


class Audit(NamedTuple):
    """The result of one comparison."""

    compared: int
    mismatches: tuple[Mismatch, ...]


def audit_cache(*, repair: bool = True) -> Audit:
    """Compare every cached value of every lookup with its committed row; see `CoherentLookup.audit_all`."""
    compared = 0
    mismatches: list[Mismatch] = []
    for batch in scan_entries(registered_lookups()):
        of_lookup: dict[Lookup[Any], list[Entry]] = defaultdict(list)
        for entry in batch:
            of_lookup[entry.lookup].append(entry)
        for lookup, entries in of_lookup.items():
            compared += len(entries) * lookup.counted
            suspects = {each.entry: each.cached for each in _differing(lookup, entries)}
            if suspects:
                time.sleep(GRACE_SECONDS)
                again = _differing(lookup, list(suspects))
                mismatches += [each for each in again if each.cached == suspects[each.entry]]
    for mismatch in mismatches:
        logger.error("Cache mismatch", extra={"key": mismatch.entry.key, "age_seconds": mismatch.age_seconds})
    if repair and mismatches:
        wrong = [mismatch.entry for mismatch in mismatches]
        invalidate_keys([entry.key for entry in wrong], stamps_of(wrong))
        note_invalidated([entry.key for entry in wrong], "audit")
    AUDITED_VALUES.inc(compared)
    MISMATCHES.inc(len(mismatches))
    AUDITED_AT.set_to_current_time()
    return Audit(compared, tuple(mismatches))


def _differing(lookup: Lookup[Any], entries: list[Entry]) -> Iterator[Mismatch]:
    pipeline = get_redis_client().pipeline()
    for entry in entries:
        pipeline.get(value_key(entry.key))
        pipeline.pttl(value_key(entry.key))
    answers = pipeline.execute(raise_on_error=False)
    rows = _load(lookup, [entry.identifier for entry in entries])
    for entry, cached, ttl_ms in zip(entries, answers[::2], answers[1::2], strict=True):
        if cached is None:
            continue
        try:
            payload = unpack(cached) if isinstance(cached, bytes) else str(cached).encode()  # a key of another type
        except ValueError:
            payload = cached
        loaded = rows.get(entry.identifier)
        committed = loaded.payload if loaded else b""
        if payload != committed and not agrees_across_releases(entry, payload, committed):
            yield Mismatch(entry, payload, committed, round(max(0.0, lookup.ttl_seconds - ttl_ms / 1000), 3))


def agrees_across_releases(entry: Entry, payload: bytes, committed: bytes) -> bool:
    """Whether another release wrote them, with the committed values in all members that both releases have."""
    decode = entry.lookup.decode
    try:
        decode(entry.identifier, payload)
    except OtherRelease as other:
        return bool(committed) and other.agrees_with(decode(entry.identifier, committed))
    except Exception:  # of any kind, as for a reader
        return False
    return False


def _load(lookup: Lookup[Any], identifiers: list[str]) -> dict[str, Loaded[Any]]:
    """As `load`, without the identifiers that no row can have."""
    try:
        return load(lookup, identifiers)
    except (ValueError, TypeError, ValidationError, DataError):
        if len(identifiers) == 1:
            return {}
        return {key: loaded for each in identifiers for key, loaded in _load(lookup, [each]).items()}
