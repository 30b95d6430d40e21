"""
The client of a cluster: redis-py's knows the nodes and follows the slots; entries are asked for node by node.

An exchange goes straight to the node that has the slot, behind a breaker of that node's own. Where the slot was moved,
or is just being moved, redis-py's client asks again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any, ClassVar

from django_redis.pool import ConnectionFactory
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.commands import CoreCommands
from redis.connection import BlockingConnectionPool
from redis.exceptions import (
    AskError,
    ClusterDownError,
    RedisClusterException,
    RedisError,
    ResponseError,
    SlotNotCoveredError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from cache_layer.breaker import Breaker
from cache_layer.connection import GuardedRedis, _guarded, is_being_moved
from cache_layer.errors import CacheUnavailable
from cache_layer.metrics import REDIS_FAILURES

ELSEWHERE = (AskError, TryAgainError)
"""What a node answers that does not have the slot, or not all of it. `MovedError` is an `AskError`."""
ASK_AGAIN = (*ELSEWHERE, ClusterDownError)
LOOK_AGAIN_SECONDS = 0.1
EVERYWHERE = ("FLUSHDB", "FLUSHALL")
ONE_BY_ONE = {"MGET": "GET", "DEL": "DEL", "UNLINK": "UNLINK", "EXISTS": "EXISTS"}

Command = tuple[tuple[Any, ...], dict[str, Any]]
"""Its arguments, and its options for redis-py."""


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

    One thread looks, at most every 100 ms, while the others go on with what is known.
    """

    def __init__(self, connect: Callable[[], SlotClient], patience_seconds: float) -> None:
        self._connect, self._patience = connect, patience_seconds
        self._lock = threading.Lock()
        self._slots: SlotClient | None = None
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
                    manager.initialize = self._rarely(manager.initialize)  # type: ignore[method-assign]
                    self._slots = slots
            finally:
                self._lock.release()
        return slots

    def look_again(self, failed: ClusterNode | None = None) -> None:
        """
        A node failed, or none has a slot: another may have it by now. What is known of nodes without any is forgotten.

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
            self._slots = None
        for name in self.breakers.keys() - {node.name for node in slots.get_primaries()}:
            self.breakers.pop(name).succeeded()

    def close(self) -> None:
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    def _rarely(self, initialize: Callable[..., None]) -> Callable[..., None]:
        def look(*args: Any, **options: Any) -> None:
            if monotonic() >= self._looked_at + LOOK_AGAIN_SECONDS and self._lock.acquire(blocking=False):
                try:
                    with knowing_some():
                        initialize(*args, **options)
                finally:
                    self._looked_at = monotonic()
                    self._lock.release()

        return look


@contextlib.contextmanager
def knowing_some() -> Iterator[None]:
    """Nodes of which none has a slot, as new ones, are of no use; redis-py looks for the first."""
    try:
        yield
    except IndexError:
        raise RedisClusterException("No node knows of any slots.") from None


class ClusterRedis(CoreCommands):
    """What `GuardedRedis` is to one server: every failure is a `CacheUnavailable`."""

    _event_dispatcher: Any = None  # redis-py declares it; no command uses it

    def __init__(self, topology: Topology, *, essential: bool = False) -> None:
        self.topology, self._essential = topology, essential

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] in EVERYWHERE:
            return [node.execute_command(*args, **options) for _, node in self.nodes()][-1]
        if args[0] in ONE_BY_ONE and len(args) > 2:
            return self._ask_one_by_one(args[0], args[1:])
        node = self._find_node(args, self._slots())
        try:
            return _guarded(lambda: self._ask(node, args, options), **self._asks(node))
        except CacheUnavailable as error:
            if not is_being_moved(error.__cause__):
                self.topology.look_again(node)
            raise

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands, one round trip for each node; errors are answers too."""
        batches: defaultdict[ClusterNode, list[int]] = defaultdict(list)
        answers: list[Any] = [None] * len(commands)
        slots = self._slots()
        for place, (args, _) in enumerate(commands):
            try:
                batches[self._find_node(args, slots)].append(place)
            except CacheUnavailable as error:
                answers[place] = error
        for node, places in batches.items():
            pipeline = self._client_of(node).pipeline()
            for place in places:
                args, options = commands[place]
                pipeline.execute_command(*args, **options)
            try:
                found: list[Any] = pipeline.execute(raise_on_error=False)
            except CacheUnavailable as error:
                self.topology.look_again(node)
                found = [error] * len(places)
            for place, answer in zip(places, found, strict=True):
                answers[place] = self._again(*commands[place]) if isinstance(answer, ASK_AGAIN) else answer
        return answers

    def pipeline(self, transaction: bool = False, shard_hint: str | None = None) -> ClusterPipeline:
        """Commands for several nodes; they are never a transaction."""
        return ClusterPipeline(self)

    def asking(self, *, essential: bool) -> ClusterRedis:
        """The same nodes, asked in another way."""
        return type(self)(self.topology, essential=essential)

    def nodes(self) -> list[tuple[str, GuardedRedis]]:
        """Every node that holds entries, by its address."""
        primaries = sorted(self._slots().get_primaries(), key=lambda node: node.name)
        return [(node.name, self._client_of(node)) for node in primaries]

    def drop_connections(self) -> None:
        """Forget the nodes too; the next use looks them up."""
        self.topology.close()

    def _ask_one_by_one(self, command: str, keys: Sequence[Any]) -> Any:
        """MGET's list, or the sum of what else is told of several keys; on a node that fails MGET finds nothing."""
        answers = self.run([((ONE_BY_ONE[command], key), {}) for key in keys])
        failures = [answer for answer in answers if isinstance(answer, CacheUnavailable)]
        if failures and (command != "MGET" or len(failures) == len(answers)):
            raise failures[0]
        if command == "MGET":  # a key of another type is none either
            return [None if isinstance(answer, RedisError) else answer for answer in answers]
        return sum(answers)

    def _slots(self) -> SlotClient:
        return _guarded(self.topology.slots, essential=self._essential, replicated=True)

    def _find_node(self, args: Sequence[Any], slots: SlotClient) -> ClusterNode:
        """The node that has the slot of a command's first key; any for one without keys."""
        command = args[0]
        if command in RedisCluster.COMMAND_FLAGS:
            return slots.get_default_node()
        key = args[3] if command in ("EVAL", "EVALSHA") else args[1]
        try:
            return slots.get_node_from_key(key)
        except SlotNotCoveredError as error:
            self.topology.look_again()
            REDIS_FAILURES.labels("silent").inc()
            raise CacheUnavailable(f"Redis cannot be used: {error}", refused=False) from error

    def _client_of(self, node: ClusterNode) -> GuardedRedis:
        redis = self._slots().get_redis_connection(node)
        return GuardedRedis(connection_pool=redis.connection_pool).asking(**self._asks(node))

    def _asks(self, node: ClusterNode) -> dict[str, Any]:
        return {"essential": self._essential, "replicated": True, "breaker": self.topology.breakers[node.name]}

    def _ask(self, node: ClusterNode, args: Sequence[Any], options: dict[str, Any]) -> Any:
        slots = self.topology.slots()
        try:
            return slots.get_redis_connection(node).execute_command(*args, **options)
        except ELSEWHERE:  # its answer; nothing has run
            return slots.execute_command(*args, **options)

    def _again(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        try:
            return self.execute_command(*args, **options)
        except RedisError as error:
            return error


class ClusterPipeline(CoreCommands):
    """Commands for several nodes. They are not atomic."""

    _event_dispatcher: Any = None

    def __init__(self, client: ClusterRedis) -> None:
        self._client = client
        self._commands: list[Command] = []

    def __enter__(self) -> ClusterPipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands = []

    def execute_command(self, *args: Any, **options: Any) -> ClusterPipeline:
        self._commands.append((args, options))
        return self

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """
        Raises:
            CacheUnavailable: a node could not be asked; others have done what they were told.
        """
        commands, self._commands = self._commands, []
        answers = self._client.run(commands)
        for answer in answers:
            if isinstance(answer, CacheUnavailable) or (raise_on_error and isinstance(answer, ResponseError)):
                raise answer
        return answers


class ClusterFactory(ConnectionFactory):
    """Makes django-redis use one cluster client in the whole process."""

    _clients: ClassVar[dict[str, ClusterRedis]] = {}
    _making = threading.Lock()

    def connect(self, url: str) -> ClusterRedis:
        with self._making:
            if url not in self._clients:
                timeout = self.pool_cls_kwargs["socket_timeout"]
                self._clients[url] = ClusterRedis(Topology(self._connect, timeout))
            return self._clients[url]

    def disconnect(self, connection: ClusterRedis) -> None:
        connection.drop_connections()

    def _connect(self) -> SlotClient:
        first, *others = [ClusterNode(host, port) for host, port in self.options["CLUSTER_NODES"]]
        with knowing_some():
            return SlotClient(
                url=f"redis://{first.name}",  # with a URL it makes the pools as it is told
                startup_nodes=others,
                retry=Retry(NoBackoff(), 0),
                require_full_coverage=False,
                connection_pool_class=BlockingConnectionPool,
                **self.pool_cls_kwargs,
            )
