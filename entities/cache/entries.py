"""Drops and fills cached entity types in bulk, for the admin's actions and the commands."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from cache_layer import Read, Source
from entities.lookups import ENTITY, ENTITY_TYPES

BATCH_CODES = 200
"""How many are dropped or warmed in one step."""


class Warmed(StrEnum):
    """The outcome of warming one entry."""

    FILLED = "filled"
    ALREADY_CACHED = "already cached"
    NOT_CACHEABLE = "not cacheable"


def drop_entries(codes: Iterable[str]) -> int:
    """
    Drop entity types and the list of all from the cache; afterwards no server serves the old values.

    Returns:
        The number of values that were in Redis.
    Raises:
        CacheUnavailable: Redis did not answer.
    """
    return ENTITY.entries_of_rows(*codes).invalidate()


def warm_entries(codes: Iterable[str]) -> Iterator[tuple[str, Warmed]]:
    """Warm entity types in batches, then the list of all (as `the list`); yields each outcome."""
    wanted = list(dict.fromkeys(codes))
    for start in range(0, len(wanted), BATCH_CODES):
        for code, read in ENTITY.read_many(wanted[start : start + BATCH_CODES]).items():
            yield code, _warmed(read)
    yield "the list", _warmed(ENTITY_TYPES.read())


def describe_dropped(number: int) -> str:
    """`1 cached value dropped`, `2 cached values dropped`."""
    return f"{number} cached value{'' if number == 1 else 's'} dropped"


def describe_warmed(counts: Counter[Warmed]) -> str:
    """`3 filled, 1 already cached, 0 not cacheable`."""
    return ", ".join(f"{counts[warmed]} {warmed}" for warmed in Warmed)


def _warmed(read: Read[Any]) -> Warmed:
    if read.document is None or read.source in (Source.BYPASS, Source.STALE):
        return Warmed.NOT_CACHEABLE
    return Warmed.FILLED if read.source is Source.DATABASE else Warmed.ALREADY_CACHED
