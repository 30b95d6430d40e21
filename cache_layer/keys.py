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
