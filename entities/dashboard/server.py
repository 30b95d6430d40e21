"""The Redis behind the cache: its nodes, and what it holds of entity types now."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any, NamedTuple

from cache_layer.keys import value_key
from cache_layer.server.connection import get_redis_client, get_writer_client
from cache_layer.upkeep.clearing import scan_keys
from entities.cache_report import ServerStatus, read_node_status
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
    Every node that holds entries: one, or a cluster's.

    Raises:
        CacheUnavailable: one did not answer.
    """
    return [Node(address, read_node_status(node)) for address, node in get_writer_client().nodes()]


def look_at_stored() -> Stored:
    """
    Count what is stored of entity types, within the limits above.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    found: set[str] = set()
    deadline = time.monotonic() + SCAN_SECONDS
    left = [(node, 0) for _, node in get_redis_client().nodes()]
    for _ in range(SCAN_STEPS):
        node, cursor = left.pop()
        answer: Any = node.scan(cursor, match="*entity:*", count=SCAN_KEYS)
        found.update(key.decode(errors="replace") if isinstance(key, bytes) else key for key in answer[1])
        if answer[0]:
            left.append((node, answer[0]))
        if not left or time.monotonic() > deadline:
            break
    held = [key for key in found if key.startswith("{entity:") and key.endswith("}:holds")]
    before, after = value_key(ENTITY.key_glob()).split("*")
    values = sum(key.startswith(before) and key.endswith(after) for key in found)
    return Stored(values, _count_holds(held[:MOST_HOLDS]), not left and len(held) <= MOST_HOLDS)


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
