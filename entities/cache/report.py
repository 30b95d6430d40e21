"""The state of the cached entity types and of the server that holds them."""

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
    """One entity type's entry; `ttl_seconds` and `payload_bytes`, as in Redis, are None if nothing is cached."""

    code: str
    cached: bool
    ttl_seconds: int | None
    payload_bytes: int | None


@dataclass(frozen=True)
class CacheReport:
    """
    Attributes:
        entity_types: how many the database has.
        cached: how many have a value in Redis.
        lookups: how many values each lookup has there.
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
    Read the cache's state, with one round trip more for every few hundred entries.

    Args:
        limit: how many entity types to report individually; None for all.
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
