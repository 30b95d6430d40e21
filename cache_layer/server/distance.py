"""The round-trip time to Redis: it must be a small part of the local lease, or copies lapse before they are renewed."""

import contextlib
import logging
import threading
import time

from django.core.checks import Warning
from redis.exceptions import RedisError

from cache_layer.options import get_options
from cache_layer.server.connection import GuardedRedis, get_writer_client

logger = logging.getLogger("cache_layer")

LEASE_ROUND_TRIPS = 5
"""How many round trips must fit into a local lease."""
PINGS = 10


def find_far_servers() -> list[Warning]:
    """
    The servers whose round trip takes more than a fifth of the local lease.

    Raises:
        CacheUnavailable: a server did not answer.
    """
    lease_ms = get_options().local_lease_ms
    if not lease_ms:
        return []
    return [
        Warning(
            f"A round trip to Redis ({address}) takes {trip_ms:.1f} ms, more than a fifth of the {lease_ms} ms that"
            " copies in memory may be used (local_lease_ms).",
            hint="Move Redis nearer, or set CACHE_LOCAL_LEASE_MS to five round trips; a change waits that long.",
            id="cache_layer.W006",
        )
        for address, node in get_writer_client().nodes()
        if (trip_ms := _measure_round_trip_ms(node)) > lease_ms / LEASE_ROUND_TRIPS
    ]


def warn_of_far_servers() -> None:
    """Log what `find_far_servers` finds, in a separate thread; called when a web server starts."""

    def warn() -> None:
        with contextlib.suppress(RedisError):  # reported elsewhere
            for found in find_far_servers():
                logger.warning("Redis far away", extra={"reason": found.msg, "hint": found.hint})

    threading.Thread(target=warn, name="cache-distance", daemon=True).start()


def _measure_round_trip_ms(node: GuardedRedis) -> float:
    """The shortest of a few PINGs; `timeit` stops the collection of garbage, in a process forked meanwhile for ever."""
    taken = []
    for _ in range(PINGS):
        begun = time.perf_counter()
        node.ping()
        taken.append((time.perf_counter() - begun) * 1000)
    return min(taken)
