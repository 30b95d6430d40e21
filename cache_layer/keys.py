"""
Every key this package uses in Redis.

A value lives under its plain key. Its companions share its slot in a cluster through the hash tag, and begin with `{`,
so that a scan for `entity:metadata:*` lists values only.
"""

RUN_ID = "cache_layer:run_id"
"""The run id of the server whose values are trusted."""


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
