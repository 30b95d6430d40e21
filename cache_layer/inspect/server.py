"""The Redis behind the cache: how its nodes are doing, and how much of a lookup they hold now."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from itertools import chain
from os.path import commonprefix
from typing import Any, NamedTuple

from cache_layer.keys import entry_key, holds_key, value_key
from cache_layer.lookup import Lookup
from cache_layer.server.connection import GuardedRedis, get_redis_client, get_writer_client
from cache_layer.upkeep.clearing import scan_keys

SCAN_STEPS = 12
SCAN_KEYS = 2_000
SCAN_SECONDS = 0.1
"""A look at what is stored ends after so many steps, of so many keys each, or so long: more is `at least`."""
MAX_HOLDS = 500


@dataclass(frozen=True)
class ServerStatus:
    """A server's own figures, over everything it holds and since it started."""

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


class Node(NamedTuple):
    """One server, and how it is doing."""

    address: str
    status: ServerStatus


class Amount(NamedTuple):
    """
    What was found of lookups.

    Attributes:
        values: entries that are cached, but for those of lookups that have a single one.
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
    return [Node(address, _read_node(node)) for address, node in get_writer_client().nodes()]


def read_server() -> ServerStatus:
    """
    Ask the server how it is; of a cluster all nodes, whose figures are added.

    Raises:
        CacheUnavailable: it did not answer.
    """
    nodes = [each.status for each in read_nodes()]
    added = [field.name for field in fields(ServerStatus) if field.type == "int" and field.name != "uptime_seconds"]
    return replace(
        nodes[0],
        uptime_seconds=min(node.uptime_seconds for node in nodes),
        **{name: sum(getattr(node, name) for node in nodes) for name in added},
    )


def count_roughly(*lookups: Lookup[Any]) -> Amount:
    """
    Count what is stored of lookups, within the limits above.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    found: set[str] = set()
    deadline = time.monotonic() + SCAN_SECONDS
    left = [(node, 0) for _, node in get_redis_client().nodes()]
    patterns = [value_key(lookup.key_glob(), version=1) for lookup in lookups]
    glob = f"*{commonprefix(patterns)}*"  # noqa: RUF071 # of keys, not of paths
    for _ in range(SCAN_STEPS):
        node, cursor = left.pop()
        answer: Any = node.scan(cursor, match=glob, count=SCAN_KEYS)
        found.update(key.decode(errors="replace") if isinstance(key, bytes) else key for key in answer[1])
        if answer[0]:
            left.append((node, answer[0]))
        if not left or time.monotonic() > deadline:
            break
    keys = set(map(entry_key, found))
    held = [holds_key(key) for key in keys if holds_key(key) in found and any(each.is_key(key) for each in lookups)]
    many = [lookup for lookup in lookups if lookup.identifier_field]
    values = sum(value_key(key) in found and any(each.is_key(key) for each in many) for key in keys)
    return Amount(values, _count_holds(held[:MAX_HOLDS]), not left and len(held) <= MAX_HOLDS)


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


def count_values(*lookups: Lookup[Any]) -> int:
    """
    How many values there are of these lookups; looks at every key.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    single = [value_key(lookup.key("")) for lookup in lookups if not lookup.identifier_field]
    entries = [set(chain.from_iterable(scan_keys(lookup))) for lookup in lookups if lookup.identifier_field]
    return sum(map(len, entries)) + (int(get_writer_client().exists(*single)) if single else 0)


def _read_node(node: GuardedRedis) -> ServerStatus:
    """
    Ask one node.

    Raises:
        CacheUnavailable: it did not answer.
    """
    pipeline = node.pipeline()
    for section in ("server", "clients", "memory", "stats"):
        pipeline.info(section)
    figures = dict(chain.from_iterable(answer.items() for answer in pipeline.execute()))
    return ServerStatus(
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
