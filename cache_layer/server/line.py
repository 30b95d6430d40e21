"""A line to Redis for a thread that asks for the same values again and again, every few milliseconds."""

from collections.abc import Iterable
from typing import Any

from cache_layer.server.connection import GuardedRedis, get_redis_client

Values = Iterable[tuple[str, bytes | None]]
SPARE_CONNECTIONS = 16
"""The minimum size of a pool from which one connection may be reserved."""


def mget(keys: frozenset[str]) -> Values:
    """The keys, which are those of Redis, with their values."""
    client: Any = get_redis_client()
    return zip(keys, client.mget(list(keys)), strict=True)


class Line:
    """
    Reserves a connection for one thread until it is closed, and packs its command only once.

    For a command sent only now and then, most of the cost is getting its code into the processor's caches, and redis-py
    calls some two hundred functions for it. This takes a tenth. In a cluster, or with a small pool, none is reserved.
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
