"""The Redis server as a test sees it: what it keeps, and what befalls it."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

from redis import Redis

from cache_layer import keys
from cache_layer.errors import OtherRelease
from cache_layer.keys import absent_key, holds_key, known_key, last_holder_key, lease_key, run_id_key, value_key
from cache_layer.lookup import Lookup
from cache_layer.protocol import calls
from cache_layer.server import connection
from tests.interleavings.doing import BY_SCRIPT
from tests.interleavings.entries import BESIDE, ENTRIES, KEYS, STAMP, content_of
from tests.interleavings.oracle import Content

ALL_KEYS = KEYS | STAMP
HELD_KEYS = ALL_KEYS | BESIDE
VERSIONS = (1, 2)
COMPANIONS: dict[str, Callable[[str], list[str]]] = {
    "value": lambda key: [value_key(key, version) for version in VERSIONS],
    "lease": lambda key: [lease_key(key, version) for version in VERSIONS],
    "last holder": lambda key: [last_holder_key(key)],
    "last known value": lambda key: [known_key(key, version) for version in VERSIONS],
    "absence": lambda key: [absent_key(key, version) for version in VERSIONS],
}
"""What may be there of an entry, of every schema version."""
READABLE = [
    (entry, where, companion != "absence")
    for entry, key in zip(ENTRIES, KEYS.values(), strict=True)
    for companion in ("value", "last known value", "absence")
    for where in COMPANIONS[companion](key)
]
LAPSED = 1
"""An expiry long past, in server milliseconds."""


class Seen(NamedTuple):
    """
    What was in Redis at one moment.

    Attributes:
        companions: the bytes of each key that is there.
        holders_of: those whose holds are in force, by what they hold.
    """

    companions: dict[str, bytes]
    holders_of: dict[str, set[str]]

    @property
    def holders(self) -> set[str]:
        return set().union(*self.holders_of.values())


class RedisServer:
    """
    The server of this test run, over a connection of the test's own; processes use the project's client.

    Attributes:
        seen: what was there after the last step.
        is_down: it refuses connections.
        has_changed: something may be there now that was not `seen`.
        reconnects: the next command of a process opens a new connection, where the run-id guard runs.
        late_commands: sent by processes that have given up waiting; they have not run yet.
    """

    def __init__(self, loses_holds: Callable[[], None]) -> None:
        self._pool: Any = connection.get_redis_client().connection_pool
        options: dict[str, Any] = {
            key: self._pool.connection_kwargs.get(key) for key in ("host", "port", "db", "password")
        }
        self.client: Any = Redis(**options, protocol=2)
        for script, each in product(BY_SCRIPT, (False, True)):
            self.client.script_load(calls.script_source(script, each=each))
        self._run_id = f"{self.client.info('server')['run_id']}:{self.client.info('replication')['master_replid']}"
        self._run_id_key = run_id_key(keys.purged_patterns())
        self._loses_holds = loses_holds
        self.begin()

    def begin(self) -> None:
        """Be empty, known to the processes, and connected."""
        self.late_commands: list[Callable[[], object]] = []
        self.is_down = self.reconnects = False
        self.has_changed = True
        self._snapshot: dict[bytes, tuple[int, bytes]] | None = None
        self.client.flushdb()
        self.client.set(self._run_id_key, f"{self._run_id} 1 2")
        self._pool.disconnect()
        connection.get_writer_client().ping()
        self.look()

    def close(self) -> None:
        self.client.close()

    # What it keeps

    def look(self) -> None:
        """See what is there now: one round trip for all that steps and promises ask, if it may have changed."""
        if not self.has_changed:
            return
        self.has_changed = False
        names = [where for keys_of in COMPANIONS.values() for key in ALL_KEYS.values() for where in keys_of(key)]
        looks = self.client.pipeline(transaction=False)
        looks.mget(names)
        for key in HELD_KEYS.values():
            looks.zrangebyscore(holds_key(key), LAPSED + 1, "+inf")
        found, *holders = looks.execute()
        companions = {name: payload for name, payload in zip(names, found, strict=True) if payload is not None}
        holders_of = {
            of: {str(holder, "ascii") for holder in found} for of, found in zip(HELD_KEYS, holders, strict=True)
        }
        self.seen = Seen(companions, holders_of)

    def cached(self) -> Iterator[tuple[str, Content]]:
        """Its values and absences, by key."""
        for (lookup, identifier), where, is_value in READABLE:
            stored = self.seen.companions.get(where)
            if stored is not None:
                yield where, content_of(lookup, _decode(lookup, identifier, stored)) if is_value else None

    def lapse(self, holders: set[str]) -> None:
        """Let holds end, as their time does."""
        self.has_changed = True
        for key in HELD_KEYS.values() if holders else ():
            self.client.zadd(holds_key(key), dict.fromkeys(holders, LAPSED), xx=True)

    def evict_holds(self, of: str) -> None:
        """Drop all holds on one key, and no other key, to make room."""
        self.has_changed = True
        self.client.delete(holds_key(ALL_KEYS[of]))

    def has(self, companion: str, of: str) -> bool:
        return any(where in self.seen.companions for where in COMPANIONS[companion](ALL_KEYS[of]))

    def expire(self, companion: str, of: str) -> None:
        self.has_changed = True
        self.client.delete(*COMPANIONS[companion](ALL_KEYS[of]))

    def endless_keys(self) -> set[bytes]:
        """Keys without a TTL that should have one."""
        keys = set(self.client.keys("*")) - {self._run_id_key.encode()}
        return {key for key in keys if self.client.pttl(key) <= 0}

    # What befalls it

    def run_late_command(self) -> None:
        self.has_changed = True
        self.late_commands.pop(0)()

    def has_snapshot(self) -> bool:
        return self._snapshot is not None

    def save_snapshot(self) -> None:
        self._snapshot = {key: (max(0, self.client.pttl(key)), self.client.dump(key)) for key in self.client.keys("*")}

    def flush(self) -> None:
        self.has_changed = True
        self.client.flushdb()
        self._loses_holds()

    def go_down(self) -> None:
        self.is_down = True
        self.late_commands.clear()
        self._loses_holds()

    def restart(self, *, from_snapshot: bool) -> None:
        """Come back as another run: the id recorded in what it has loaded, if any, is not its own."""
        self.go_down()
        self.is_down = False
        self.has_changed = True
        self.client.flushdb()
        for key, (ttl_ms, dumped) in (self._snapshot or {}).items() if from_snapshot else ():
            self.client.restore(key, ttl_ms, dumped)
        if self.client.exists(self._run_id_key):
            self.client.set(self._run_id_key, "earlier")
        self.drop_connections()

    def drop_connections(self) -> None:
        """Have the next command connect anew; the guard runs, and after a FLUSHDB or a restart purges what is there."""
        self._pool.disconnect()
        self.reconnects = True


def _decode(lookup: Lookup[Any], identifier: str, stored: bytes) -> Any:
    """As servers of the earlier release do, which can use what those of the later one write."""
    try:
        return lookup.decode(identifier, stored)
    except OtherRelease as other:
        return other.document
