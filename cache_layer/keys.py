"""
Every key this package uses in Redis.

A value lives under its plain key. Its companions start with `{`, so that a scan for `entity:metadata:*` lists values
only; their hash tag puts them in the value's slot of a cluster. A key must therefore contain no braces itself: they are
percent-encoded, and so is `%`.

From schema version 2 on, the value is a companion of the plain key too, and each version has its own leases and absent
markers. All versions share the holds, so a writer of any version stops the readers of every version, and a scan that
finds the companions of version 1 finds those of all versions.
"""

import functools
import hashlib
from collections.abc import Iterable

from cache_layer.options import get_options


def run_id_key(patterns: Iterable[str]) -> str:
    """
    The key of the run id of the server that `patterns` were purged from.

    Each set of patterns has its own key: a process that purges fewer patterns must not vouch for one that purges more.
    """
    return f"cache_layer:run_id:{hashlib.blake2b(repr(sorted(patterns)).encode(), digest_size=8).hexdigest()}"


def value_key(key: str, version: int | None = None) -> str:
    """The Redis key of the value of `key`, in this process's schema version unless `version` says otherwise."""
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
"""The name of the advisory lock of the relay that works."""


def absent_key(key: str, version: int | None = None) -> str:
    """A marker: the database has no row for `key`."""
    return _of_version(key, "absent", version)


def known_key(key: str, version: int | None = None) -> str:
    """The last known value, which outlives the value itself and is served while the database is down."""
    return _of_version(key, "known", version)


def further_keys(key: str) -> tuple[str, ...]:
    """
    The other keys that a writer deletes, since readers might serve or fill them.

    They are the last known value of our schema version, then all keys of the versions next to it.
    """
    own = get_options().schema_version
    versions = [version for version in (own - 1, own + 1) if version]
    names = (value_key, lease_key, absent_key, known_key)
    return known_key(key), *(name(key, version) for version in versions for name in names)


def stamp_key(name: str, number: int) -> str:
    """The plain key of one of the stamps of this name; it has companions, as an entry's key does."""
    return f"cache_layer:stamp:{name}:{number}"


def delivered_key(key: str) -> str:
    """The outbox ids of changes that writers recently delivered to Redis: a sorted set, scored by expiry."""
    return f"{{{_encoded(key)}}}:told"  # its name since the first release


def plain_key_of(found: str) -> str:
    """The plain key behind a key found in Redis: the same key, or the one it is a companion of."""
    encoded = found[1:].partition("}:")[0] if found.startswith("{") else found
    return encoded.replace("%7D", "}").replace("%7B", "{").replace("%25", "%")


def _of_version(key: str, name: str, version: int | None) -> str:
    version = version or get_options().schema_version
    return f"{{{_encoded(key)}}}:{name}" if version == 1 else f"{{{_encoded(key)}}}:v{version}:{name}"


@functools.lru_cache(maxsize=1_000)  # a key's dozen companion names are built together
def _encoded(key: str) -> str:
    return key.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


def is_text(identifier: str) -> bool:
    """Whether PostgreSQL and Redis can be asked for it; no row has an identifier with a NUL or half a character."""
    try:
        return b"\0" not in identifier.encode()
    except UnicodeEncodeError:
        return False


ANALYTICS = "{cache_layer:analytics}"


def analytics_key(name: str) -> str:
    """The key of an analytics structure; all share one slot."""
    return f"{ANALYTICS}:{name}"


DAY_SECONDS = 86_400


def totals_key(step_seconds: int, moment_s: float) -> str:
    """The totals of the step (such as a minute) that contains this moment, in seconds since the epoch."""
    return analytics_key(f"{step_seconds}:{int(moment_s) // step_seconds * step_seconds}")


def hits_key(moment_s: float) -> str:
    """Each entry's hits on the UTC day that contains this moment, in seconds since the epoch."""
    return analytics_key(f"day:{int(moment_s) // DAY_SECONDS}")


_purged_patterns: set[str] = set()


def register_purge_pattern(pattern: str) -> None:
    """Purge keys that match `pattern`, and their companions, whenever another run of a server is found."""
    _purged_patterns.add(pattern)


def purged_patterns() -> list[str]:
    """The patterns of all keys whose values readers trust."""
    plain = {*_purged_patterns, *get_options().purge_patterns}
    return sorted({*plain, *(f"{{{pattern}}}:*" for pattern in plain)})
