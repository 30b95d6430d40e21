"""The Redis behind the cache: the state of its nodes, and how much they store now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cache_layer.keys import holds_key, plain_key_of, value_key
from cache_layer.lookup import Lookup, find_lookup, registered_lookups
from cache_layer.server.connection import GuardedRedis, get_redis_client, get_writer_client
from cache_layer.upkeep.clearing import glob_of, scan_entries

SCAN_STEPS = 12
SCAN_KEYS = 2_000
SCAN_SECONDS = 0.1
"""A count of what is stored stops after this many steps of this many keys, or this time; it is then "at least"."""
MAX_HOLDS = 500


class ServerStatus(NamedTuple):
    """A server's own figures, over everything it stores and since it started."""

    name: str
    version: str
    uptime_seconds: int
    used_memory_bytes: int
    max_memory_bytes: int
    keyspace_hits: int
    keyspace_misses: int
    evicted_keys: int
    expired_keys: int
    connected_clients: int

    @classmethod
    def read(cls) -> ServerStatus:
        """
        The server's status; for a cluster, the sum over all nodes.

        Raises:
            CacheUnavailable: it did not answer.
        """
        nodes = list(cls.read_nodes().values())
        numbers = [name for name in cls._fields if name not in ("name", "version")]
        sums = {name: sum(getattr(node, name) for node in nodes) for name in numbers}
        return nodes[0]._replace(**sums | {"uptime_seconds": min(node.uptime_seconds for node in nodes)})

    @classmethod
    def read_nodes(cls) -> dict[str, ServerStatus]:
        """
        The status of every node that has entries, by its address: one server, or a cluster's primaries.

        Raises:
            CacheUnavailable: a node did not answer.
        """
        return {address: cls._of(node) for address, node in get_writer_client().nodes()}

    @classmethod
    def _of(cls, node: GuardedRedis) -> ServerStatus:
        figures: Any = node.info("server", "clients", "memory", "stats")
        return cls(
            name=str(figures.get("server_name", "redis")),
            version=str(figures.get("valkey_version", figures["redis_version"])),
            uptime_seconds=figures["uptime_in_seconds"],
            used_memory_bytes=figures["used_memory"],
            max_memory_bytes=figures.get("maxmemory", 0),
            keyspace_hits=figures["keyspace_hits"],
            keyspace_misses=figures["keyspace_misses"],
            evicted_keys=figures["evicted_keys"],
            expired_keys=figures["expired_keys"],
            connected_clients=figures["connected_clients"],
        )


class Amount(NamedTuple):
    """
    How much is stored.

    Attributes:
        values: the number of cached entries by lookup name.
        holds: the number of holds in force.
        complete: whether all keys were counted.
    """

    values: Mapping[str, int]
    holds: int
    complete: bool

    @classmethod
    def measure(cls) -> Amount:
        """
        Count the stored values of every lookup, within the limits above: roughly, if there are many.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        lookups = registered_lookups()
        found: set[str] = set()
        deadline = time.monotonic() + SCAN_SECONDS
        glob = glob_of(lookups)  # one, since a second pattern would be a second walk
        left = [(node, 0) for _, node in get_redis_client().nodes()]
        for _ in range(SCAN_STEPS):
            node, cursor = left.pop()
            answer: Any = node.scan(cursor, match=glob, count=SCAN_KEYS)
            found.update(key.decode(errors="replace") if isinstance(key, bytes) else key for key in answer[1])
            if answer[0]:
                left.append((node, answer[0]))
            if not left or time.monotonic() > deadline:
                break
        keys = set(map(plain_key_of, found))
        lookup_of = {key: lookup for key in keys if (lookup := find_lookup(key, lookups)) is not None}
        values: Counter[str] = Counter()
        for key, lookup in lookup_of.items():
            values[lookup.name] += value_key(key) in found
        held = [holds_key(key) for key in lookup_of if holds_key(key) in found]
        return cls(values, _count_holds(held[:MAX_HOLDS]), not left and len(held) <= MAX_HOLDS)


class LookupState(NamedTuple):
    """One lookup: its model, keys and TTL, and how many values are cached."""

    name: str
    model: str
    key_pattern: str
    values: int
    ttl_seconds: int

    @classmethod
    def read(cls, lookups: Sequence[Lookup[Any]] | None = None) -> list[LookupState]:
        """
        What is cached of these lookups, or of all; scans every key.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        lookups = registered_lookups() if lookups is None else lookups
        found = {entry.key: entry.lookup.name for batch in scan_entries(lookups) for entry in batch}
        values = Counter(found.values())
        return [
            cls(each.name, each.model._meta.label, each.key_pattern, values[each.name], each.ttl_seconds)
            for each in lookups
        ]


def _count_holds(keys: list[str]) -> int:
    """Count the holds that have not expired; an expired one stays in its set until the next writer."""
    if not keys:
        return 0
    client = get_redis_client()
    seconds, microseconds = client.time()
    pipeline = client.pipeline()
    for key in keys:
        pipeline.zcount(key, f"({seconds * 1000 + microseconds // 1000}", "+inf")
    return sum(pipeline.execute())
