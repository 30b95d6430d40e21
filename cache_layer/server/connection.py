"""
The connection to Redis: one pool per process, made by django-redis, behind a breaker.

Every failure raises `CacheUnavailable`; readers and writers have their own policies for it.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django.core.cache import caches
from django_redis.pool import ConnectionFactory
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import (
    AskError,
    ClusterError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cache_layer.activity import count_exchange
from cache_layer.deadline import left_seconds
from cache_layer.errors import CacheUnavailable
from cache_layer.metrics import REDIS_FAILURES
from cache_layer.options import get_options
from cache_layer.server.breaker import Breaker, breaker

logger = logging.getLogger("cache_layer")
Result = TypeVar("Result")

READ_RETRIES = 1
"""Retries of a reader's command on a broken connection. Writers retry themselves, each time with a new id."""

UNAVAILABLE = (
    RedisConnectionError,
    RedisTimeoutError,
    ClusterError,
    RedisClusterException,
    AskError,  # and its subclass MovedError: the slot has moved again
    TryAgainError,
)


REFUSALS = ("MISCONF", "NOREPLICAS")
"""Error prefixes of a server that still serves reads but accepts no writes, since it lacks disk space or replicas."""


def is_about_slot(error: BaseException | None) -> bool:
    """Whether only the slot is at fault: no node serves it, or it is migrating and its keys are on two nodes."""
    redirected = type(error) is ClusterError  # redis-py: too many times
    return redirected or isinstance(error, TryAgainError | AskError) or "slot not served" in str(error)


def _guarded(
    command: Callable[[], Result], *, essential: bool, breaker: Breaker = breaker, replicated: bool = False
) -> Result:
    """
    Run one exchange with Redis.

    Args:
        essential: ask Redis even while the breaker is open, since a writer must know.
        replicated: another server may have taken over, so a refused connection does not prove that none is serving.
    Raises:
        CacheUnavailable: Redis refused the connection, was too slow or accepts no writes; or it was not tried, since
            the breaker is open or hardly any time is left.
    """
    if not essential:
        patience = 2 * get_options().socket_timeout_ms / 1000  # for a free slot in the pool, and for a connect
        if left_seconds(patience) < patience:
            raise CacheUnavailable("The time left is reserved for the database.", refused=False)
        if not breaker.allows():
            raise CacheUnavailable("Redis failed a moment ago and is not tried again yet.", refused=False)
    retries = 0 if essential else READ_RETRIES
    while True:
        begun = time.perf_counter()
        try:
            result = command()
        except (RedisError, RedisClusterException) as error:  # not a RedisError
            if not isinstance(error, UNAVAILABLE) and not refuses_writes(error):
                raise
            refused = isinstance(error.__context__, ConnectionRefusedError)
            if retries and not refused and isinstance(error, RedisConnectionError):
                retries -= 1
                continue
            if not is_about_slot(error):
                breaker.failed()
            REDIS_FAILURES.labels("refused" if refused else "silent").inc()
            if breaker.failures == 1:
                logger.warning("Redis error", extra={"error": str(error)})
            raise CacheUnavailable(f"Redis cannot be used: {error}", refused=refused and not replicated) from error
        breaker.succeeded()
        count_exchange("writer" if essential else "reader", time.perf_counter() - begun)
        return result


def refuses_writes(error: BaseException | None) -> bool:
    """Whether a server accepts no writes, as a replica does: it learns of no change, so it must not be read."""
    return isinstance(error, ReadOnlyError) or str(error).startswith(REFUSALS)


class GuardedPipeline(Pipeline):
    """A pipeline that its client runs, as one of its commands."""

    def __init__(self, client: GuardedRedis, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, execute = self.command_stack, super().execute

        def run() -> list[Any]:
            self.command_stack = list(commands)  # a failed attempt empties it
            answers = execute(raise_on_error)
            for answer in answers:
                if isinstance(answer, RedisError) and refuses_writes(answer):
                    raise answer
            return answers

        return self._client.run(run)


class GuardedRedis(Redis):
    """redis-py's client, whose failures raise `CacheUnavailable` and count for the breaker."""

    policy: Mapping[str, Any] = {"essential": False}
    """Its error policy, as arguments of `_guarded`."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self.run(functools.partial(super().execute_command, *args, **options))

    def run(self, command: Callable[[], Result]) -> Result:
        """Run one exchange with Redis by this client's policy; raises `CacheUnavailable` as every command does."""
        try:
            return _guarded(command, **self.policy)
        except CacheUnavailable as error:
            if refuses_writes(error.__cause__):
                self.connection_pool.disconnect()  # a new connection checks that the server accepts writes
            raise

    def _execute_command(self, *args: Any, **options: Any) -> Any:
        """
        redis-py's, without retries (`_guarded` has its own) and telemetry, which take a fifth of a read's time.

        Private in redis-py 8.1. If a version no longer calls it, `make bench ARGS="--only process"` shows that time.
        """
        if self.connection is not None:  # a client with a dedicated connection
            kept: Callable[..., Any] = super()._execute_command
            return kept(*args, **options)
        parse: Callable[..., Any] = self.parse_response
        connection: Any = self.connection_pool.get_connection()
        try:
            connection.send_command(*args, **options)
            return parse(connection, args[0], **options)
        finally:
            self.connection_pool.release(connection)

    def pipeline(self, transaction: bool = False, shard_hint: str | None = None) -> GuardedPipeline:
        return GuardedPipeline(self, transaction, shard_hint)

    def with_policy(self, **policy: Any) -> GuardedRedis:
        """A client of the same pool with another error policy."""
        client = type(self)(connection_pool=self.connection_pool)
        client.policy = {**self.policy, **policy}
        return client

    def nodes(self) -> list[tuple[str, GuardedRedis]]:
        """Every node that holds entries, with its address."""
        where = self.connection_pool.connection_kwargs
        return [(where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}", self)]


class GuardedFactory(ConnectionFactory):  # type: ignore[misc] # django-redis has no types
    """Keeps its pools by URL, as django-redis does, apart from those of aliases that are not connected as ours."""

    _pools: ClassVar[dict[str, Any]] = {}


@functools.cache
def get_redis_client() -> GuardedRedis:
    """This process's client for readers; skips a server that has just failed."""
    backend: Any = caches[get_options().cache_alias]
    client: GuardedRedis = backend.client.get_client(write=True)
    return client


@functools.cache
def get_writer_client() -> GuardedRedis:
    """A client of the same pool that asks Redis even while the breaker is open."""
    return get_redis_client().with_policy(essential=True)


def is_redis_healthy() -> bool:
    """Whether Redis answers `PING` in time: in a cluster, every node that holds entries."""
    try:
        return all(node.ping() for _, node in get_writer_client().nodes())
    except (RedisError, OSError):
        return False
