"""
Every key this package uses in Redis.

A value lives under its plain key. Its companions share its slot in a cluster through the hash tag, and begin with `{`,
so that a scan for `entity:metadata:*` lists values only. For that a key must have no braces of its own: they are
percent-encoded, and so is `%`.

Above version 1 of the schema a value is a companion of its plain key too, and each version has its own leases and
absences. Holds belong to all versions. So writers of every version stop the readers of every other, and whatever finds
the companions of version 1 finds all.
"""

import functools
import hashlib
from collections.abc import Iterable

from cache_layer.options import get_options


def run_id_key(patterns: Iterable[str]) -> str:
    """
    The run id of the server that was purged of `patterns`.

    One for each set of patterns: a process that knows fewer must not make a server trusted for one that knows more.
    """
    return f"cache_layer:run_id:{hashlib.blake2b(repr(sorted(patterns)).encode(), digest_size=8).hexdigest()}"


def value_key(key: str, version: int | None = None) -> str:
    """Where the value of `key` is, in this process's version of the schema or another."""
    version = version or get_options().schema_version
    return _encoded(key) if version == 1 else f"{{{_encoded(key)}}}:v{version}"


def lease_key(key: str, version: int | None = None) -> str:
    """The token of the reader that may fill `key`."""
    return _of_version(key, "lease", version)


def holds_key(key: str) -> str:
    """The writers that are changing the row behind `key`: a sorted set, scored by expiry in server milliseconds."""
    return f"{{{_encoded(key)}}}:holds"


def last_holder_key(key: str) -> str:
    """The writer that took the newest hold on `key`."""
    return f"{{{_encoded(key)}}}:last"


CHANGES_CHANNEL = "cache_layer_changes"
"""The NOTIFY channel on which PostgreSQL wakes the relay."""

RELAY_LOCK = "cache_layer_relay"
"""The name of the advisory lock that lets one relay work."""


def absent_key(key: str, version: int | None = None) -> str:
    """A marker: the database has no row for `key`."""
    return _of_version(key, "absent", version)


def known_key(key: str, version: int | None = None) -> str:
    """The last value, for longer than the value itself: for when the database is away."""
    return _of_version(key, "known", version)


def further_keys(key: str) -> tuple[str, ...]:
    """
    What else readers may serve, or fill, and a writer ends: the last known value, then all of the versions beside ours.

    The first is the last known value of our own version.
    """
    own = get_options().schema_version
    versions = [version for version in (own - 1, own + 1) if version]
    names = (value_key, lease_key, absent_key, known_key)
    return known_key(key), *(name(key, version) for version in versions for name in names)


def stamp_key(name: str, number: int) -> str:
    """The plain key of one of the stamps of this name; like an entry's it has companions."""
    return f"cache_layer:stamp:{name}:{number}"


def told_key(key: str) -> str:
    """The changes, by their ids in the outbox, that writers told of lately: a sorted set, scored by expiry."""
    return f"{{{_encoded(key)}}}:told"


def plain_key_of(found: str) -> str:
    """The plain key of a key that was found in Redis: the same, or that of which it is a companion."""
    encoded = found[1:].partition("}:")[0] if found.startswith("{") else found
    return encoded.replace("%7D", "}").replace("%7B", "{").replace("%25", "%")


def _of_version(key: str, name: str, version: int | None) -> str:
    version = version or get_options().schema_version
    return f"{{{_encoded(key)}}}:{name}" if version == 1 else f"{{{_encoded(key)}}}:v{version}:{name}"


@functools.lru_cache(maxsize=1_000)  # a key has a dozen companions, whose names are made at once
def _encoded(key: str) -> str:
    return key.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


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


_purged_patterns: set[str] = set()


def purge_after_restart(pattern: str) -> None:
    """Have keys that match `pattern`, and their companions, removed when a server turns out to be another run."""
    _purged_patterns.update((pattern, f"{{{pattern}}}:*"))


def purged_patterns() -> list[str]:
    """Of all keys whose values are used without asking where they come from."""
    return sorted(_purged_patterns)
