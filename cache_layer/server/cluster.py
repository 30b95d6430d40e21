"""
The cluster client: redis-py's client tracks nodes and slots, and commands are sent node by node.

A command goes straight to the node that has the slot, behind that node's own breaker. If the slot has moved or is
moving, redis-py's client follows the redirection.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django_redis.pool import ConnectionFactory
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.commands import CoreCommands
from redis.connection import BlockingConnectionPool
from redis.exceptions import AskError, ClusterDownError, RedisError, ResponseError, SlotNotCoveredError, TryAgainError
from redis.retry import Retry

from cache_layer.errors import CacheUnavailable
from cache_layer.metrics import REDIS_FAILURES
from cache_layer.server.connection import GuardedRedis, _guarded
from cache_layer.server.topology import SlotClient, Topology, raising_redis_errors

ELSEWHERE = (AskError, TryAgainError)
"""Replies of a node that lacks the slot or some of its keys. `MovedError` is an `AskError`."""
ASK_AGAIN = (*ELSEWHERE, ClusterDownError)
"""Errors after which a command of a batch is sent again on its own."""
EVERYWHERE = ("FLUSHDB", "FLUSHALL")
ONE_BY_ONE = {"MGET": "GET", "DEL": "DEL", "UNLINK": "UNLINK", "EXISTS": "EXISTS"}

Command = tuple[tuple[Any, ...], dict[str, Any]]
"""A command's arguments, and its options for redis-py."""


class ClusterRedis(CoreCommands):
    """`GuardedRedis` for a cluster: every failure is a `CacheUnavailable`."""

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
            return _guarded(lambda: self._ask(node, args, options), **self._policy_for(node))
        except CacheUnavailable:
            self.topology.look_again(node)
            raise

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Run several commands in one round trip per node; errors are returned as replies."""
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

    def with_policy(self, *, essential: bool) -> ClusterRedis:
        """A client of the same nodes with another error policy."""
        return type(self)(self.topology, essential=essential)

    def nodes(self) -> list[tuple[str, GuardedRedis]]:
        """Every node that holds entries, with its address, from a fresh look at the topology."""
        self.topology.look()
        primaries = sorted(self._slots().get_primaries(), key=lambda node: node.name)
        return [(node.name, self._client_of(node)) for node in primaries]

    def scan_iter(self, *args: Any, **options: Any) -> Iterator[Any]:
        """As redis-py's, over every node."""
        for _, node in self.nodes():
            yield from node.scan_iter(*args, **options)

    def _ask_one_by_one(self, command: str, keys: Sequence[Any]) -> Any:
        """MGET's list, or the sum of the other commands' replies; for MGET, keys on a failed node count as missing."""
        answers = self.run([((ONE_BY_ONE[command], key), {}) for key in keys])
        failures = [answer for answer in answers if isinstance(answer, RedisError)]
        if command != "MGET":
            if failures:
                raise failures[0]
            return sum(answers)
        unavailable = [answer for answer in failures if isinstance(answer, CacheUnavailable)]
        if unavailable and len(unavailable) == len(answers):
            raise unavailable[0]
        return [None if isinstance(answer, RedisError) else answer for answer in answers]  # one of another type, too

    def _slots(self) -> SlotClient:
        return _guarded(self.topology.slots, essential=self._essential, replicated=True)

    def _find_node(self, args: Sequence[Any], slots: SlotClient) -> ClusterNode:
        """The node that has the slot of a command's first key; any node for a command without keys."""
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
        return GuardedRedis(connection_pool=redis.connection_pool).with_policy(**self._policy_for(node))

    def _policy_for(self, node: ClusterNode) -> dict[str, Any]:
        return {"essential": self._essential, "replicated": True, "breaker": self.topology.breakers[node.name]}

    def _ask(self, node: ClusterNode, args: Sequence[Any], options: dict[str, Any]) -> Any:
        slots = self.topology.slots()
        try:
            return slots.get_redis_connection(node).execute_command(*args, **options)
        except ELSEWHERE:  # the node's reply; nothing has run
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

    def execute_command(self, *args: Any, **options: Any) -> ClusterPipeline:
        self._commands.append((args, options))
        return self

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """
        Raises:
            CacheUnavailable: a node could not be reached; the others have run their commands.
        """
        commands, self._commands = self._commands, []
        answers = self._client.run(commands)
        for answer in answers:
            if isinstance(answer, CacheUnavailable) or (raise_on_error and isinstance(answer, ResponseError)):
                raise answer
        return answers


class ClusterFactory(ConnectionFactory):
    """Makes django-redis share one cluster client in the whole process."""

    _clients: ClassVar[dict[str, ClusterRedis]] = {}
    _making = threading.Lock()

    def connect(self, url: str) -> ClusterRedis:
        with self._making:
            if url not in self._clients:
                timeout = self.pool_cls_kwargs["socket_timeout"]
                self._clients[url] = ClusterRedis(Topology(self._connect, timeout))
            return self._clients[url]

    def disconnect(self, connection: ClusterRedis) -> None:
        """Forget the nodes too; the next use looks them up."""
        connection.topology.close()

    def _connect(self) -> SlotClient:
        first, *others = [ClusterNode(host, port) for host, port in self.options["CLUSTER_NODES"]]
        with raising_redis_errors():
            return SlotClient(
                url=f"redis://{first.name}",  # it uses the given pool class only with a URL
                startup_nodes=others,
                retry=Retry(NoBackoff(), 0),
                require_full_coverage=False,
                connection_pool_class=BlockingConnectionPool,
                **self.pool_cls_kwargs,
            )
