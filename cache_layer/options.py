"""Every setting of the cache layer, parsed once from `settings.CACHE_LAYER`."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from django.conf import settings

from cache_layer.errors import InvalidOptions

WritePolicy = Literal["available", "strict"]
MINUTE_MS, HOUR_MS, YEAR_SECONDS, MANY = 60_000, 3_600_000, 31_536_000, 1_000_000_000_000
LIMITS = {
    "schema_version": (1, 1_000_000),
    "compress_bytes": (0, MANY),
    "local_lease_ms": (0, MINUTE_MS),
    "local_entries": (1, MANY),
    "express_lane_bytes": (0, MANY),
    "hold_ms": (1, HOUR_MS),
    "fill_lease_ms": (1, HOUR_MS),
    "fill_wait_ms": (1, HOUR_MS),
    "absent_ttl_seconds": (0, YEAR_SECONDS),
    "absent_entries": (1, MANY),
    "socket_timeout_ms": (1, MINUTE_MS),
    "max_connections": (1, 10_000),
    "audit_seconds": (0, YEAR_SECONDS),
    "analytics_seconds": (0, YEAR_SECONDS),
    "stale_seconds": (0, YEAR_SECONDS),
    "write_budget_ms": (1, HOUR_MS),
}
"""The least and the most of each number: beyond them Redis, or a wait, refuses what it is told."""


@dataclass(frozen=True)
class Options:
    """
    The defaults are the design's.

    Attributes:
        cache_alias: the alias in `CACHES` whose connection pool is used.
        schema_version: of the documents. Raise it by one where what they mean changes and their shape does not say so;
            those of two consecutive versions may be served side by side.
        compress_bytes: longer values are compressed in Redis; 0 compresses none.
        local_lease_ms: `L`, how long a copy in this process's memory may be used without asking Redis, and a writer
            waits for its end; 0 keeps none.
        local_entries: how many copies this process keeps at most.
        express_lane_bytes: how much the express lane keeps at most; 0 switches it off.
        hold_ms: `H`, how long a writer's hold outlives a writer that died.
        fill_lease_ms: how long a reader may take to load a value before another may try.
        fill_wait_ms: how long a reader waits for another's fill before it reads the database itself.
        absent_ttl_seconds: how long an identifier that has no row is remembered; 0 remembers none.
        absent_entries: how many such identifiers this process marks in that time.
        socket_timeout_ms: how long one command, or one connect, may take.
        max_connections: connections to Redis per process.
        audit_seconds: how often the relay compares the whole cache with the database; 0 for never.
        analytics_seconds: how often a process reports what it counted; 0 for never.
        relay: whether a web process stands by to relay changes made behind Django's back.
        stale_seconds: how long after its TTL the last known value of an entry, said to be stale, may be served while
            the database is away; 0 serves none, and so does the write policy `strict`.
        write_budget_ms: how long a writer goes on trying to take its holds while Redis is silent.
        write_policy: what a writer does then: `available` commits and invalidates as soon as Redis answers, `strict`
            refuses the write.
    """

    cache_alias: str = "default"
    schema_version: int = 1
    compress_bytes: int = 8_192
    local_lease_ms: int = 7
    local_entries: int = 10_000
    express_lane_bytes: int = 64 * 1024 * 1024
    hold_ms: int = 5_000
    fill_lease_ms: int = 2_000
    fill_wait_ms: int = 200
    absent_ttl_seconds: int = 60
    absent_entries: int = 1_000
    socket_timeout_ms: int = 250
    max_connections: int = 64
    audit_seconds: int = 300
    analytics_seconds: int = 60
    relay: bool = True
    stale_seconds: int = 0
    write_budget_ms: int = 2_000
    write_policy: WritePolicy = "available"

    @property
    def fail_safe_seconds(self) -> int:
        """`stale_seconds`, where the write policy allows anything stale."""
        return self.stale_seconds if self.write_policy == "available" else 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Options:
        """
        Options with `values` in place of the defaults.

        Raises:
            InvalidOptions: a name is unknown or a value out of its range; the message says what would do.
        """
        known = {field.name: field for field in fields(cls)}
        for name, value in values.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
                raise InvalidOptions(f"CACHE_LAYER has no setting {name!r}: {hint}")
            if name == "write_policy":
                if value not in ("available", "strict"):
                    raise InvalidOptions(f"CACHE_LAYER['write_policy'] is {value!r}: use 'available' or 'strict'.")
            elif name == "relay":
                if not isinstance(value, bool):
                    raise InvalidOptions(f"CACHE_LAYER['relay'] is {value!r}: use True or False.")
            elif name != "cache_alias":
                least, most = LIMITS[name]
                if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                    raise InvalidOptions(
                        f"CACHE_LAYER[{name!r}] is {value!r}: use a whole number from {least} to {most}."
                    )
        options = cls(**values)
        if options.hold_ms <= 2 * options.local_lease_ms:
            raise InvalidOptions("CACHE_LAYER: hold_ms must be more than twice local_lease_ms, or holds end mid-write.")
        return options


def known_ttl_seconds(ttl_seconds: int) -> int:
    """How long the last known value is kept of one that lives so long; 0 if none is."""
    stale_seconds = get_options().fail_safe_seconds
    return ttl_seconds + stale_seconds if stale_seconds else 0


@functools.cache
def get_options() -> Options:
    """The options in force. Tests that override settings call `get_options.cache_clear()`."""
    return Options.of(getattr(settings, "CACHE_LAYER", {}))
