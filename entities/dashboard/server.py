"""The Redis behind the cache: its nodes, and what it holds of entity types now."""

from __future__ import annotations

import time
from itertools import chain
from typing import NamedTuple

from cache_layer.clearing import scan_keys
from cache_layer.connection import get_redis_client
from cache_layer.keys import value_key
from entities.cache_report import ServerStatus, read_server_status
from entities.lookups import ENTITY, ENTITY_TYPES

SCAN_STEPS = 12
SCAN_KEYS = 2_000
SCAN_SECONDS = 0.1
"""A look at what is stored ends after so many steps, of so many keys each, or so long: more is `at least`."""
MOST_HOLDS = 500


class Node(NamedTuple):
    """One server, and how it is doing."""

    address: str
    status: ServerStatus


class Stored(NamedTuple):
    """
    What was found of entity types.

    Attributes:
        values: entries that are cached.
        holds: writers' holds in force.
        complete: whether all keys were looked at.
    """

    values: int
    holds: int
    complete: bool


def read_nodes() -> list[Node]:
    """
    Every node; today the cache lives on one.

    Raises:
        CacheUnavailable: it did not answer.
    """
    where = get_redis_client().connection_pool.connection_kwargs
    address = where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"
    return [Node(address, read_server_status())]


def look_at_stored() -> Stored:
    """
    Count what is stored of entity types, within the limits above.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    client = get_redis_client()
    found: set[str] = set()
    deadline = time.monotonic() + SCAN_SECONDS
    cursor, complete = 0, False
    for _ in range(SCAN_STEPS):
        cursor, keys = client.scan(cursor, match="*entity:*", count=SCAN_KEYS)
        found.update(key.decode(errors="replace") if isinstance(key, bytes) else key for key in keys)
        complete = cursor == 0
        if complete or time.monotonic() > deadline:
            break
    held = [key for key in found if key.startswith("{entity:") and key.endswith("}:holds")]
    before, after = value_key(ENTITY.key_glob()).split("*")
    values = sum(key.startswith(before) and key.endswith(after) for key in found)
    return Stored(values, _count_holds(held[:MOST_HOLDS]), complete and len(held) <= MOST_HOLDS)


def _count_holds(keys: list[str]) -> int:
    """Those that have not run out; an expired one stays in its set until the next writer comes."""
    if not keys:
        return 0
    client = get_redis_client()
    seconds, microseconds = client.time()
    pipeline = client.pipeline()
    for key in keys:
        pipeline.zcount(key, f"({seconds * 1000 + microseconds // 1000}", "+inf")
    return sum(pipeline.execute())


def count_values() -> int:
    """
    How many values there are of entity types, with the list of all; looks at every key.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    entries = set(chain.from_iterable(scan_keys(ENTITY)))
    return len(entries) + int(get_redis_client().exists(value_key(ENTITY_TYPES.key(""))))
