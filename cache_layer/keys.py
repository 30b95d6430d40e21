"""
Every key this package uses in Redis.

A value lives under its plain key. Its companions share its slot in a cluster through the hash tag, and begin with `{`,
so that a scan for `entity:metadata:*` lists values only.
"""

import hashlib
from collections.abc import Iterable


def run_id_key(patterns: Iterable[str]) -> str:
    """
    The run id of the server that was purged of `patterns`.

    One for each set of patterns: a process that knows fewer must not make a server trusted for one that knows more.
    """
    return f"cache_layer:run_id:{hashlib.blake2b(repr(sorted(patterns)).encode(), digest_size=8).hexdigest()}"


def lease_key(key: str) -> str:
    """The token of the reader that may fill `key`."""
    return f"{{{key}}}:lease"


def holds_key(key: str) -> str:
    """The writers that are changing the row behind `key`: a sorted set, scored by expiry in server milliseconds."""
    return f"{{{key}}}:holds"


def last_holder_key(key: str) -> str:
    """The writer that took the newest hold on `key`."""
    return f"{{{key}}}:last"


CHANGES_CHANNEL = "cache_layer_changes"
"""The NOTIFY channel on which PostgreSQL wakes the relay."""

RELAY_LOCK = "cache_layer_relay"
"""The name of the advisory lock that lets one relay work."""


def absent_key(key: str) -> str:
    """A marker: the database has no row for `key`."""
    return f"{{{key}}}:absent"


def analytics_key(name: str) -> str:
    """What is counted; all of it in one slot."""
    return f"{{cache_layer:analytics}}:{name}"


DAY_SECONDS = 86_400


def totals_key(step_seconds: int, moment_s: float) -> str:
    """The totals of the minute, or hour, of a moment in seconds since the epoch."""
    return analytics_key(f"{step_seconds}:{int(moment_s) // step_seconds * step_seconds}")


def hits_key(moment_s: float) -> str:
    """Each entry's hits on the day, UTC, of a moment in seconds since the epoch."""
    return analytics_key(f"day:{int(moment_s) // DAY_SECONDS}")
