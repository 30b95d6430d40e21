"""A line to Redis for a thread that asks for the same values again and again, every few milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cache_layer.server.connection import GuardedRedis, get_redis_client

Values = Iterable[tuple[str, bytes | None]]
SPARE_CONNECTIONS = 16
"""The size of the pool from which one may be kept."""


def mget(keys: frozenset[str]) -> Values:
    """The keys, which are those of Redis, with their values."""
    client: Any = get_redis_client()
    return zip(keys, client.mget(list(keys)), strict=True)


class Line:
    """
    Keeps a connection for one thread until it is closed, and packs its command only once.

    Asked once in a while, a command costs what its code costs to get into the processor's caches, and redis-py calls
    some two hundred functions for it. This way it is a tenth. In a cluster, and of a small pool, nothing is kept.
    """

    def __init__(self) -> None:
        self._client: Any = None
        self._connection: Any = None
        self._keys: frozenset[str] = frozenset()
        self._packed: Any = None

    def mget(self, keys: frozenset[str]) -> Values:
        """As the function of this name."""
        client: Any = get_redis_client()
        if not isinstance(client, GuardedRedis) or client.connection_pool.max_connections < SPARE_CONNECTIONS:
            return mget(keys)
        if client is not self._client:
            self.close()
            self._client = client
        if keys is not self._keys:
            self._keys, self._packed = keys, None
        return zip(keys, client.run(self._ask), strict=True)  # a frozenset keeps its order

    def _ask(self) -> Any:
        if self._connection is None:
            self._connection = self._client.connection_pool.get_connection()
        if self._packed is None:
            self._packed = self._connection.pack_command("MGET", *self._keys)
        self._connection.send_packed_command(self._packed)
        return self._connection.read_response()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._client.connection_pool.release(self._connection)
        self._client = self._connection = None
