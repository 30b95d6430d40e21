"""Which node of a cluster has which slots: redis-py knows, and is told when to look again."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from cache_layer.server.breaker import Breaker

LOOK_AGAIN_SECONDS = 0.1


class SlotClient(RedisCluster):
    """redis-py's client, with fewer attempts, and acquainted with nodes that have no slots yet."""

    RedisClusterRequestTTL = 6  # attempts; half of them, after TRYAGAIN, 50 ms apart

    def get_node(self, host: Any = None, port: Any = None, node_name: Any = None) -> ClusterNode | None:
        """As redis-py does; a node that a slot is being moved to may be new."""
        node = super().get_node(host, port, node_name)
        if node is None and node_name:
            host, _, port = node_name.rpartition(":")
            node = self.nodes_manager.nodes_cache.setdefault(node_name, ClusterNode(host, int(port), "primary"))
        return node


class Topology:
    """
    Which node has which slots, shared by readers and writers; looked up on first use, and after a failure.

    One thread looks, at most every 100 ms, while the others go on with what is known. After a failure that is a thread
    of its own: of the nodes it asks, others may have failed too, and a request has no time for them.
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
            RedisConnectionError: no node could be asked yet.
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
                    manager.initialize = self._rarely(manager.initialize)  # type: ignore[method-assign]
                    self._slots = slots
            finally:
                self._lock.release()
        return slots

    def look_again(self, failed: ClusterNode | None = None) -> None:
        """A node failed, or none has a slot: have somebody look whether another has it by now."""
        if self._is_due() and not self._lock.locked():
            with contextlib.suppress(RuntimeError):  # this process is ending, or has no room for one more
                threading.Thread(target=self.look, args=(failed,), daemon=True).start()

    def look(self, failed: ClusterNode | None = None) -> None:
        """
        Ask where the slots are, unless that was asked a moment ago. What is known of nodes without any is forgotten.

        If no node that is known can tell, the next use asks those it was given.
        """
        slots = self._slots
        if slots is None:
            return
        try:
            slots.nodes_manager.initialize(
                last_failed_node_name=failed.name if failed else None,
                disconnect_startup_nodes_pools=False,  # the node that tells is well
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
        """Also in a forked child, whose parent may have been looking: redis-py's client has locks of its own."""
        self._lock = threading.Lock()
        self._slots = None

    def _is_due(self) -> bool:
        return monotonic() >= self._looked_at + LOOK_AGAIN_SECONDS

    def _rarely(self, initialize: Callable[..., None]) -> Callable[..., None]:
        def look(*args: Any, **options: Any) -> None:
            if self._is_due() and self._lock.acquire(blocking=False):
                try:
                    with raising_redis_errors():
                        initialize(*args, **options)
                finally:
                    self._looked_at = monotonic()
                    self._lock.release()

        return look


@contextlib.contextmanager
def raising_redis_errors() -> Iterator[None]:
    """Nodes of which none has a slot, as new ones, are of no use; redis-py looks for the first."""
    try:
        yield
    except IndexError:
        raise RedisClusterException("No node knows of any slots.") from None
