"""
Incidents: what was wrong, from when to when, kept in PostgreSQL and seen alike by all servers.

Each process notes what it sees in its memory first. It is told to PostgreSQL; while that is away, to Redis, so that it
outlives the process there too. Telling it twice, or by several servers, makes one incident of it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from redis.exceptions import RedisError

from cache_layer.keys import DAY_SECONDS, analytics_key
from cache_layer.models import Incident
from cache_layer.server.connection import get_redis_client

GAP_SECONDS = 10
"""Seen again within this time, it is the same incident, which had not ended."""
KEPT_DAYS = 90

MERGE = """
    WITH same AS (
        UPDATE cache_layer_incident
        SET began_ts = LEAST(began_ts, %(began)s), seen_ts = GREATEST(seen_ts, %(seen)s)
        WHERE name = %(name)s AND began_ts <= %(seen)s + %(gap)s::interval
            AND seen_ts >= %(began)s - %(gap)s::interval
        RETURNING id
    )
    INSERT INTO cache_layer_incident (name, began_ts, seen_ts)
    SELECT %(name)s, %(began)s, %(seen)s WHERE NOT EXISTS (SELECT FROM same)
"""


class Sighting(NamedTuple):
    """From when to when something was seen, in seconds since the epoch."""

    began_s: float
    seen_s: float

    def goes_on(self, now_s: float) -> bool:
        return now_s - self.seen_s <= GAP_SECONDS

    def after(self, before: Sighting | None) -> Sighting:
        """This one, from the beginning of the one before if that is the same incident."""
        same = before is not None and before.goes_on(self.began_s)
        return Sighting(min(before.began_s, self.began_s), self.seen_s) if before and same else self


class Sightings:
    """What this process saw and has not told PostgreSQL; thread-safe."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self._lock = threading.Lock()
        self.untold: dict[str, Sighting] = {}
        self._ask_redis = True

    def see(self, seen: Mapping[str, Sighting]) -> None:
        """These are, or were, wrong."""
        with self._lock:
            for name, sighting in seen.items():
                self.untold[name] = sighting.after(self.untold.get(name))

    def tell(self, *, using: str) -> None:
        """Have what was seen outlive this process: in PostgreSQL, or else in Redis, or else as soon as one answers."""
        with self._lock:
            if not self.untold and not self._ask_redis:
                return
            try:
                left = read_left() if self._ask_redis else {}
                _write([*left.items(), *self.untold.items()], using)
            except Error:
                self._ask_redis = True
                _leave_in_redis(self.untold)
            else:
                self._ask_redis = False
                self.untold = {}


def read_incidents(limit: int, *, using: str) -> list[tuple[str, Sighting]]:
    """
    The latest incidents, those that go on first.

    Raises:
        django.db.Error: PostgreSQL did not answer.
    """
    rows = Incident.objects.using(using).order_by("-seen_ts", "-began_ts")[:limit]
    return [(row.name, Sighting(row.began_ts.timestamp(), row.seen_ts.timestamp())) for row in rows]


sightings = Sightings()


def _write(told: Collection[tuple[str, Sighting]], using: str) -> None:
    if not told:
        return
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('cache_layer_incident', 0))")
        for name, sighting in told:
            began, seen = (datetime.fromtimestamp(moment, UTC) for moment in sighting)
            cursor.execute(MERGE, {"name": name, "began": began, "seen": seen, "gap": f"{GAP_SECONDS} s"})
        cursor.execute("DELETE FROM cache_layer_incident WHERE seen_ts < now() - %s::interval", [f"{KEPT_DAYS} d"])


def read_left() -> dict[str, Sighting]:
    """
    What was left in Redis by whoever saw it while PostgreSQL was away.

    It stays there until it runs out: telling it twice changes nothing.
    """
    try:
        left: Any = get_redis_client().get(analytics_key("incidents"))
        return {str(name): Sighting(float(began), float(seen)) for name, (began, seen) in json.loads(left).items()}
    except (RedisError, ValueError, TypeError, AttributeError):  # nothing, or something of others
        return {}


def _leave_in_redis(untold: dict[str, Sighting]) -> None:
    left = read_left()
    for name, sighting in untold.items():
        left[name] = sighting.after(left.get(name))
    with suppress(RedisError):  # it is told later
        get_redis_client().set(analytics_key("incidents"), json.dumps(left), ex=DAY_SECONDS)
