"""Every setting of the cache layer, parsed once from `settings.CACHE_LAYER`."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from django.conf import settings

from cache_layer.errors import InvalidOptions

WritePolicy = Literal["available", "strict"]
MINUTE_MS, HOUR_MS, YEAR_SECONDS, MANY = 60_000, 3_600_000, 31_536_000, 1_000_000_000_000


def whole(default: int, least: int, most: int) -> Any:
    """An option that is a whole number, with its limits; Redis or a system call would reject values beyond them."""
    return field(default=default, metadata={"limits": (least, most)})


@dataclass(frozen=True)
class Options:
    """
    The options and their defaults.

    Attributes:
        cache_alias: the alias in `CACHES` whose connection pool is used.
        schema_version: the documents' schema version. Raise it by one when their meaning changes but their shape does
            not; servers of two consecutive versions may run side by side.
        compress_bytes: values longer than this are compressed in Redis; 0 disables compression.
        local_lease_ms: `L`, how long a copy in this process's memory may be used without asking Redis, and how long a
            writer waits for copies to lapse; 0 disables local copies.
        local_entries: the maximum number of copies in this process.
        express_lane_bytes: the express lane's memory limit; 0 disables the lane.
        hold_ms: `H`, how long a hold lasts if its writer dies.
        fill_lease_ms: how long a reader may take to load a value before another may try.
        fill_wait_ms: how long a reader waits for another's fill before it reads the database itself.
        absent_ttl_seconds: how long to remember that an identifier has no row; 0 disables this.
        absent_entries: how many such identifiers this process may mark in that time.
        socket_timeout_ms: the timeout of one command or one connect.
        max_connections: connections to Redis per process.
        audit_seconds: how often the relay compares the whole cache with the database; 0 for never.
        analytics_seconds: how often a process reports its counters; 0 for never.
        purge_patterns: further keys to purge, with their companions, whenever another run of a server is found, as SCAN
            patterns; a list or tuple.
        relay: whether web processes stand by to relay changes made behind Django's back.
        stale_seconds: how long past its TTL an entry's last known value may be served, marked as stale, while the
            database is down; 0 or the write policy `strict` disables this.
        write_budget_ms: how long a writer retries its holds while Redis is silent.
        write_policy: what a writer does after that: `available` commits and invalidates once Redis answers, `strict`
            refuses the write.
    """

    cache_alias: str = "default"
    schema_version: int = whole(1, 1, 1_000_000)
    compress_bytes: int = whole(8_192, 0, MANY)
    local_lease_ms: int = whole(7, 0, MINUTE_MS)
    local_entries: int = whole(10_000, 1, MANY)
    express_lane_bytes: int = whole(64 * 1024 * 1024, 0, MANY)
    hold_ms: int = whole(5_000, 1, HOUR_MS)
    fill_lease_ms: int = whole(2_000, 1, HOUR_MS)
    fill_wait_ms: int = whole(200, 1, HOUR_MS)
    absent_ttl_seconds: int = whole(60, 0, YEAR_SECONDS)
    absent_entries: int = whole(1_000, 1, MANY)
    socket_timeout_ms: int = whole(250, 1, MINUTE_MS)
    max_connections: int = whole(64, 1, 10_000)
    audit_seconds: int = whole(300, 0, YEAR_SECONDS)
    analytics_seconds: int = whole(60, 0, YEAR_SECONDS)
    purge_patterns: Sequence[str] = ()
    relay: bool = True
    stale_seconds: int = whole(0, 0, YEAR_SECONDS)
    write_budget_ms: int = whole(2_000, 1, HOUR_MS)
    write_policy: WritePolicy = "available"

    LIMITS: ClassVar[dict[str, tuple[int, int]]]
    """The minimum and maximum of each number."""

    @property
    def fail_safe_seconds(self) -> int:
        """`stale_seconds`, or 0 if the write policy does not allow stale reads."""
        return self.stale_seconds if self.write_policy == "available" else 0

    @staticmethod
    @functools.cache
    def current() -> Options:
        """Those of `settings.CACHE_LAYER`. Tests that override settings call `get_options.cache_clear()`."""
        return Options.of(getattr(settings, "CACHE_LAYER", {}))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Options:
        """
        Options with `values` in place of the defaults.

        Raises:
            InvalidOptions: a name is unknown or a value is out of range; the message says how to fix it.
        """
        known = [option.name for option in fields(cls)]
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
            elif name == "purge_patterns":
                if not isinstance(value, list | tuple) or not all(each and isinstance(each, str) for each in value):
                    raise InvalidOptions(f"CACHE_LAYER['purge_patterns'] is {value!r}: use a list of SCAN patterns.")
            elif name != "cache_alias":
                least, most = cls.LIMITS[name]
                if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                    raise InvalidOptions(
                        f"CACHE_LAYER[{name!r}] is {value!r}: use a whole number from {least} to {most}."
                    )
        options = cls(**values)
        if options.hold_ms <= 2 * options.local_lease_ms:
            raise InvalidOptions("CACHE_LAYER: hold_ms must be more than twice local_lease_ms, or holds end mid-write.")
        return options


get_options = Options.current
Options.LIMITS = {option.name: option.metadata["limits"] for option in fields(Options) if option.metadata}


def known_ttl_seconds(ttl_seconds: int) -> int:
    """The TTL of the last known value of an entry with this TTL; 0 if none is stored."""
    stale_seconds = get_options().fail_safe_seconds
    return ttl_seconds + stale_seconds if stale_seconds else 0
