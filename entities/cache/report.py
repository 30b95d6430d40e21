"""What is cached of the entity types, and how the server that holds it is doing."""

from __future__ import annotations

from dataclasses import dataclass

from cache_layer import CacheUnavailable
from cache_layer.inspect import (
    Backlog,
    EntryState,
    Kind,
    LookupState,
    ServerStatus,
    look_at_entries,
    measure_backlog,
    read_lookups,
    read_server,
)
from entities.lookups import ENTITY, entries_of
from entities.models import Entity


@dataclass(frozen=True)
class EntryStatus:
    """One entity type's entry; `ttl_seconds` and `payload_bytes`, as in Redis, are None where nothing is cached."""

    code: str
    cached: bool
    ttl_seconds: int | None
    payload_bytes: int | None


@dataclass(frozen=True)
class CacheReport:
    """
    Attributes:
        entity_types: how many there are in the database.
        cached: how many entity types have a value in Redis.
        lookups: how many values every lookup has there.
        list_entry: the entry of the list of all.
        entries: the first entity types in display order.
        backlog: committed changes the cache may not know of yet.
    """

    entity_types: int
    cached: int
    lookups: list[LookupState]
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
    server = read_server()
    codes = list(Entity.objects.values_list("code", flat=True)[:limit])
    states = look_at_entries(entries_of(*codes))
    if any(state.kind is Kind.UNKNOWN for state in states):
        raise CacheUnavailable("Redis has just stopped answering.", refused=False)
    *entries, listed = map(_entry_status, [*codes, "the list"], states)
    backlog = measure_backlog()
    lookups = read_lookups()
    cached = next(each.values for each in lookups if each.name == ENTITY.name)
    return CacheReport(Entity.objects.count(), cached, lookups, listed, entries, backlog, server)


def _entry_status(code: str, state: EntryState) -> EntryStatus:
    return EntryStatus(code, state.kind is Kind.CACHED, state.ttl_seconds, state.payload_bytes)
