"""Which cluster node has which slots: redis-py tracks this, and here we say when it looks again."""

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import Any

from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from cache_layer.server.breaker import Breaker

LOOK_AGAIN_SECONDS = 0.1


class SlotClient(RedisCluster):
    """redis-py's client, with fewer attempts, that also knows nodes without slots."""

    RedisClusterRequestTTL = 6  # attempts; after TRYAGAIN, half of them 50 ms apart

    def get_node(self, host: Any = None, port: Any = None, node_name: Any = None) -> ClusterNode | None:
        """As redis-py's, but learns unknown nodes: a slot may be moving to a new one."""
        node = super().get_node(host, port, node_name)
        if node is None and node_name:
            host, _, port = node_name.rpartition(":")
            node = self.nodes_manager.nodes_cache.setdefault(node_name, ClusterNode(host, int(port), "primary"))
        return node


class Topology:
    """
    Which node has which slots, shared by readers and writers; looked up on first use and after a failure.

    One thread looks, at most every 100 ms, while the others use what is known. After a failure this is a background
    thread: other nodes it asks may have failed too, and a request has no time to wait for them.
    """

    _slots: SlotClient | None

    def __init__(self, connect: Callable[[], SlotClient], patience_seconds: float) -> None:
        self._connect, self._patience = connect, patience_seconds
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        self._looked_at = 0.0
        self.breakers: defaultdict[str, Breaker] = defaultdict(Breaker)

    def slots(self) -> SlotClient:
        """
        The client that knows the slots.

        Raises:
            RedisConnectionError: no node has answered yet.
        """
        slots = self._slots
        if slots is None:
            if not self._lock.acquire(timeout=self._patience):
                raise RedisConnectionError("The cluster's nodes are still being asked.")
            try:
                slots = self._slots
                if slots is None:
                    slots = self._connect()
                    manager = slots.nodes_manager
                    # redis-py 8.1; noticed by test_nodes_without_any_slots_are_of_no_use_until_they_have_some
                    manager.initialize = partial(self._look_rarely, manager.initialize)  # type: ignore[method-assign]
                    self._slots = slots
            finally:
                self._lock.release()
        return slots

    def look_again(self, failed: ClusterNode | None = None) -> None:
        """Look up the slots again in a background thread, since a node failed or no node has a slot."""
        if self._is_due() and not self._lock.locked():
            with contextlib.suppress(RuntimeError):  # the process is ending or cannot start another thread
                threading.Thread(target=self.look, args=(failed,), daemon=True).start()

    def look(self, failed: ClusterNode | None = None) -> None:
        """
        Ask where the slots are, unless somebody just did, and forget the breakers of nodes without slots.

        If no known node answers, the next use starts over from the configured nodes.
        """
        slots = self._slots
        if slots is None:
            return
        try:
            slots.nodes_manager.initialize(
                last_failed_node_name=failed.name if failed else None,
                disconnect_startup_nodes_pools=False,  # the node that answers is healthy
            )
        except (RedisError, RedisClusterException):
            if self._slots is slots:
                self._slots = None
        for name in self.breakers.keys() - {node.name for node in slots.get_primaries()}:
            self.breakers.pop(name, Breaker()).succeeded()  # another thread may have forgotten it

    def close(self) -> None:
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    def _begin(self) -> None:
        """Start empty, also in a forked child: its parent may have held locks, of ours or of redis-py's client."""
        self._lock = threading.Lock()
        self._slots = None

    def _is_due(self) -> bool:
        return monotonic() >= self._looked_at + LOOK_AGAIN_SECONDS

    def _look_rarely(self, initialize: Callable[..., None], *args: Any, **options: Any) -> None:
        if self._is_due() and self._lock.acquire(blocking=False):
            try:
                with raising_redis_errors():
                    initialize(*args, **options)
            finally:
                self._looked_at = monotonic()
                self._lock.release()


@contextlib.contextmanager
def raising_redis_errors() -> Iterator[None]:
    """Turn redis-py's IndexError, raised if no node has a slot (all are new), into a `RedisClusterException`."""
    try:
        yield
    except IndexError:
        raise RedisClusterException("No node knows of any slots.") from None
