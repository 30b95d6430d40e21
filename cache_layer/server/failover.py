"""
Connections to servers that can fail over: Sentinel's primary, a cluster's nodes.

A server that was replaced and later took over again is still the same run, but has lost what its replica never got. So
a connection sends a command only if its server was compared within the last second. No failover is faster: it takes at
least as long as noticing the failure. A primary that is cut off from its replicas rejects the comparison
(`min-replicas-to-write`), so it is no longer read. A server that took over is not used until a second after its purge:
by then no connection trusts the server it replaced.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, ClassVar

from django_redis.pool import SentinelConnectionFactory
from redis.connection import BlockingConnectionPool, Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

from cache_layer.deadline import left_seconds
from cache_layer.keys import purged_patterns, run_id_key
from cache_layer.server.connection import GuardedRedis
from cache_layer.server.replies import MIN_READ_SECONDS, BoundedParser
from cache_layer.server.run_id import lua_source, note_new_run

TRUSTED_SECONDS = 1.0

_purged_at: dict[str, float] = {}
"""When this process purged each run of a server."""
_purging: dict[str, tuple[int, bytes, int]] = {}
"""Unfinished purges of other runs: the current pattern, its cursor, and how many keys were removed."""


class SentinelFactory(SentinelConnectionFactory):
    """As `GuardedFactory`."""

    _pools: ClassVar[dict[str, Any]] = {}


class Compared(Connection):
    """A connection that compares its server before the first command, and again every second."""

    in_cluster = False
    _compared_at = math.inf

    def _connect(self) -> Any:
        """Limit the connect timeout to the time left, since one command may try several servers."""
        self.socket_connect_timeout = max(left_seconds(self.socket_timeout or math.inf), MIN_READ_SECONDS)
        return super()._connect()

    def on_connect_check_health(self, check_health: bool = True) -> None:
        self._compared_at = math.inf  # no comparison before the login
        super().on_connect_check_health(check_health)
        self._compared_at = -math.inf

    def check_health(self) -> None:
        """Called by redis-py before each command."""
        now = monotonic()
        if now - self._compared_at < TRUSTED_SECONDS:
            return
        try:
            self._compare()
        except (RedisConnectionError, RedisTimeoutError):
            self.disconnect()
            raise
        except RedisError as error:  # a replica, or cut off: the client looks for the new primary
            self.disconnect()
            raise RedisConnectionError(f"{self.host}:{self.port} may not be asked: {error}") from error
        self._compared_at = now

    def _compare(self) -> None:
        """
        Purge what another run of the server left, unless some process already did.

        A script loaded into the server marks it as purged: scripts end with the run and are copied nowhere.
        """
        patterns = purged_patterns()
        run_id, took_over, *_ = self._ask("EVAL", lua_source("takeover"), 0)
        note = f"-- {run_id.decode()} {self.db} {run_id_key(patterns)}"
        if self._ask("SCRIPT", "EXISTS", hashlib.sha1(note.encode(), usedforsecurity=False).hexdigest())[0]:
            return
        if note not in _purged_at:
            self._purge(note, patterns)
        if took_over and monotonic() - _purged_at[note] < TRUSTED_SECONDS:
            raise RedisConnectionError(f"{self.host}:{self.port} took over a moment ago and is not used yet.")
        self._ask("SCRIPT", "LOAD", note)

    def _purge(self, note: str, patterns: Sequence[str]) -> None:
        """Purge in steps, so that the server can answer others; after a timeout, leave the rest to the next attempt."""
        until = monotonic() + (self.socket_timeout or 0)
        place, cursor, purged = _purging.get(note, (1, b"0", 0))
        while place <= len(patterns):
            if monotonic() > until:
                raise RedisConnectionError(f"{self.host}:{self.port} is still being purged.")
            if self.in_cluster:
                self._ask("ASKING")  # include keys that are being moved to this node
            *_, removed, place, cursor = self._ask("EVAL", lua_source("takeover"), 0, place, cursor, *patterns)
            purged += removed
            _purging[note] = place, cursor, purged
        _purged_at[note] = monotonic()
        _purging.pop(note, None)
        note_new_run(purged)

    def _ask(self, *command: Any) -> Any:
        self.send_command(*command, check_health=False)
        return self.read_response()


class SentinelConnection(Compared, SentinelManagedConnection):
    """A connection to the primary that the sentinels name."""


class SentinelSSLConnection(Compared, SentinelManagedSSLConnection):
    """The same over TLS."""


class ClusterConnection(Compared):
    """A connection to a cluster node. Asking where the slots are needs no comparison: any node may say."""

    in_cluster = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, parser_class=BoundedParser)  # redis-py's cluster client does not pass it on

    def send_command(self, *args: Any, **options: Any) -> None:
        super().send_command(*args, **(options | {"check_health": False} if args[0] == "CLUSTER SLOTS" else options))


class ClusterSSLConnection(ClusterConnection, SSLConnection):
    """The same over TLS."""


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """A pool of connections to the primary that waits while all are in use, as with a single server."""


class SentinelRedis(GuardedRedis):
    """The client of a primary behind Sentinel."""

    policy: Mapping[str, Any] = {**GuardedRedis.policy, "replicated": True}

    def nodes(self) -> list[tuple[str, GuardedRedis]]:
        """The primary, as last known."""
        pool: Any = self.connection_pool
        host, port = pool.master_address or (pool.service_name, "?")
        return [(f"{host}:{port}", self)]
