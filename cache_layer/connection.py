"""
The connection to Redis: one pool per process, made by django-redis, with a breaker and the run-id guard.

Reads and writes have their own error policies, so nothing is swallowed here: every failure is a `CacheUnavailable`.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.cache import caches
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from cache_layer.activity import count_exchange
from cache_layer.errors import CacheUnavailable
from cache_layer.keys import run_id_key
from cache_layer.metrics import BREAKER_OPEN, INVALIDATIONS, RECONNECTS, REDIS_FAILURES
from cache_layer.options import Options, get_options

logger = logging.getLogger("cache_layer")
Result = TypeVar("Result")

READ_RETRIES = 1
"""Of a reader's command on a connection that turned out broken. A writer's attempts have ids of their own."""
RECONNECT_DELAY_STEP_SECONDS = 0.05
RECONNECT_DELAY_LIMIT_SECONDS = 2.0


class Breaker:
    """
    Keeps readers from waiting for a server that has just failed.

    After the n-th failure in a row nobody tries for min(n * 50 ms, 2 s); then one caller does, and the others go on
    without Redis until it has an answer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.failures = 0
        self._open_until = 0.0

    def allows(self) -> bool:
        """Whether to try now. True gives one caller the trial when the delay is over."""
        if not self.failures:
            return True
        with self._lock:
            now = self._clock()
            if now < self._open_until:
                return False
            self._open_until = now + self._delay()
            return True

    def succeeded(self) -> None:
        if self.failures:
            with self._lock:
                self.failures = 0
            BREAKER_OPEN.set(0)

    def failed(self) -> None:
        with self._lock:
            self.failures += 1
            self._open_until = self._clock() + self._delay()
        BREAKER_OPEN.set(1)

    def _delay(self) -> float:
        return min(self.failures * RECONNECT_DELAY_STEP_SECONDS, RECONNECT_DELAY_LIMIT_SECONDS)


breaker = Breaker()


def _guarded(command: Callable[[], Result], *, essential: bool) -> Result:
    """
    Run one exchange with Redis.

    Args:
        essential: ask Redis even while the breaker is open: a writer must know.
    Raises:
        CacheUnavailable: refused, too slow, or (behind the breaker) not tried.
    """
    if not essential and not breaker.allows():
        raise CacheUnavailable("Redis failed a moment ago and is not asked yet.", refused=False)
    retries = 0 if essential else READ_RETRIES
    while True:
        begun = time.perf_counter()
        try:
            result = command()
        except (RedisConnectionError, RedisTimeoutError) as error:
            refused = isinstance(error.__context__, ConnectionRefusedError)
            if retries and not refused and not isinstance(error, RedisTimeoutError):
                retries -= 1
                continue
            breaker.failed()
            REDIS_FAILURES.labels("refused" if refused else "silent").inc()
            if breaker.failures == 1:
                logger.warning("Redis error", extra={"error": str(error)})
            raise CacheUnavailable(f"Redis cannot be used: {error}", refused=refused) from error
        breaker.succeeded()
        count_exchange("writer" if essential else "reader", time.perf_counter() - begun)
        return result


class GuardedPipeline(Pipeline):
    """A pipeline whose failures are `CacheUnavailable`, counted by the breaker."""

    essential = False

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        run = functools.partial(super().execute, raise_on_error)
        return _guarded(run, essential=self.essential)


class GuardedRedis(Redis):
    """redis-py's client, whose failures are `CacheUnavailable`, counted by the breaker."""

    essential = False

    def execute_command(self, *args: Any, **options: Any) -> Any:
        run = functools.partial(super().execute_command, *args, **options)
        return _guarded(run, essential=self.essential)

    def pipeline(self, transaction: bool = False, shard_hint: str | None = None) -> GuardedPipeline:
        pipeline = GuardedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.essential = self.essential
        return pipeline


def connection_pool_options(options: Options) -> dict[str, Any]:
    """The part of `CACHES[...]["OPTIONS"]` that makes django-redis connect as this package needs it to."""
    timeout = options.socket_timeout_ms / 1000
    return {
        "REDIS_CLIENT_CLASS": "cache_layer.connection.GuardedRedis",
        "CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool",
        "CONNECTION_POOL_KWARGS": {
            "max_connections": options.max_connections,
            "timeout": timeout,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_keepalive": True,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "redis_connect_func": on_connect,
        },
    }


_trusted_patterns: set[str] = {"*django.contrib.sessions*"}
_on_reconnect: list[Callable[[], None]] = []


def purge_after_restart(pattern: str) -> None:
    """Have the guard remove keys that match `pattern` (and their companions) when the server is another run."""
    _trusted_patterns.update((pattern, f"{{{pattern}}}:*"))


@functools.cache
def lua_source(name: str) -> str:
    """The text of `lua/{name}.lua`, run byte for byte as written."""
    return (Path(__file__).parent / "lua" / f"{name}.lua").read_text()


def on_connect(connection: Any) -> None:
    """Trust nothing that another run of the server left; called by redis-py for each new connection."""
    connection.on_connect()
    patterns = sorted(_trusted_patterns)
    arguments = (1, run_id_key(patterns), get_options().schema_version, *patterns)
    connection.send_command("EVAL", lua_source("guard"), *arguments, check_health=False)
    purged = connection.read_response()
    if purged >= 0:
        RECONNECTS.inc()
        INVALIDATIONS.labels("restart").inc(purged)
        logger.warning("Redis connected", extra={"new_server_run": True, "purged_keys": purged})
    else:
        logger.info("Redis connected", extra={"new_server_run": False})


def get_redis_client() -> GuardedRedis:
    """This process's client, for readers: it does not ask a server that has just failed."""
    return _client(essential=False)


def get_writer_client() -> GuardedRedis:
    """The same pool, for writers: it always asks."""
    return _client(essential=True)


@functools.cache
def _client(*, essential: bool) -> GuardedRedis:
    backend: Any = caches[get_options().cache_alias]
    shared: GuardedRedis = backend.client.get_client(write=True)
    if not essential:
        return shared
    client = GuardedRedis(connection_pool=shared.connection_pool)
    client.essential = True
    return client


def close_redis_client() -> None:
    """Close this process's connections; the next use opens new ones."""
    if _client.cache_info().currsize:
        get_redis_client().connection_pool.disconnect()
    _client.cache_clear()


def is_redis_healthy() -> bool:
    """Whether Redis answers `PING` in time."""
    try:
        return bool(get_writer_client().ping())
    except (RedisError, OSError):
        return False
