"""What is cached of the entity types, and how the server that holds it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any

from django.db import router
from redis.exceptions import ResponseError

from cache_layer.keys import value_key
from cache_layer.protocol.scripts import BATCH_KEYS
from cache_layer.server.connection import GuardedRedis, get_writer_client
from cache_layer.upkeep.clearing import scan_keys
from cache_layer.writing.outbox import Backlog, measure_backlog
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity


@dataclass(frozen=True)
class EntryStatus:
    """One entity type's entry; `ttl_seconds` and `payload_bytes`, as in Redis, are None where nothing is cached."""

    code: str
    cached: bool
    ttl_seconds: int | None
    payload_bytes: int | None


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


@dataclass(frozen=True)
class CacheReport:
    """
    Attributes:
        entity_types: how many there are in the database.
        cached: how many entries of the kind `entity:metadata:*` there are in Redis.
        list_entry: the entry of the list of all.
        entries: the first entity types in display order.
        backlog: committed changes the cache may not know of yet.
    """

    entity_types: int
    cached: int
    list_entry: EntryStatus
    entries: list[EntryStatus]
    backlog: Backlog
    server: ServerStatus


def report_cache(limit: int | None) -> CacheReport:
    """
    Look at the cache, in a number of round trips that grows with the entries by one for every few hundred.

    Args:
        limit: how many entity types to report one by one; None for all.
    Raises:
        CacheUnavailable: Redis did not answer.
    """
    client = get_writer_client()
    server = read_server_status()
    codes = list(Entity.objects.values_list("code", flat=True)[:limit])
    list_entry, *entries = _entry_statuses(
        client, [ENTITY_TYPES.key(""), *map(ENTITY.key, codes)], ["the list", *codes]
    )
    cached = len(set(chain.from_iterable(scan_keys(ENTITY))))
    backlog = measure_backlog(using=router.db_for_write(Entity))
    return CacheReport(Entity.objects.count(), cached, list_entry, entries, backlog, server)


def _entry_statuses(client: GuardedRedis, redis_keys: Sequence[str], names: Sequence[str]) -> list[EntryStatus]:
    answers: list[Any] = []
    for start in range(0, len(redis_keys), BATCH_KEYS):
        pipeline = client.pipeline()
        for key in redis_keys[start : start + BATCH_KEYS]:
            pipeline.ttl(value_key(key))
            pipeline.strlen(value_key(key))
        answers += pipeline.execute(raise_on_error=False)
    return [
        _entry_status(name, ttl, length) for name, ttl, length in zip(names, answers[::2], answers[1::2], strict=True)
    ]


def _entry_status(name: str, ttl: Any, length: Any) -> EntryStatus:
    if isinstance(length, ResponseError) or not length:  # a key of another type is no entry of ours
        return EntryStatus(name, cached=False, ttl_seconds=None, payload_bytes=None)
    return EntryStatus(name, cached=True, ttl_seconds=ttl, payload_bytes=length)


def read_server_status() -> ServerStatus:
    """
    Ask the server how it is; of a cluster all nodes, whose figures are added.

    Raises:
        CacheUnavailable: it did not answer.
    """
    nodes = [read_node_status(node) for _, node in get_writer_client().nodes()]
    added = [field.name for field in fields(ServerStatus) if field.type == "int" and field.name != "uptime_seconds"]
    return replace(
        nodes[0],
        uptime_seconds=min(node.uptime_seconds for node in nodes),
        **{name: sum(getattr(node, name) for node in nodes) for name in added},
    )


def read_node_status(node: GuardedRedis) -> ServerStatus:
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
