"""
Incidents: what was wrong, from when to when, stored in PostgreSQL so that all servers show the same.

Each process first notes what it sees in its memory, then writes it to PostgreSQL or, while that is down, to Redis, so
that it outlives the process. Sightings written twice, or by several servers, merge into one incident.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from django.db.models.functions import Greatest, Least, Now
from redis.exceptions import RedisError

from cache_layer.keys import DAY_SECONDS, analytics_key
from cache_layer.models import Incident
from cache_layer.server.connection import get_redis_client

GAP_SECONDS = 10
"""A problem seen again within this time is still the same incident."""
RETENTION = timedelta(days=90)


class Sighting(NamedTuple):
    """When something was first and last seen, in seconds since the epoch."""

    began_s: float
    seen_s: float

    def goes_on(self, now_s: float) -> bool:
        return now_s - self.seen_s <= GAP_SECONDS

    def after(self, before: Sighting | None) -> Sighting:
        """This sighting, extended back to the start of `before` if that is the same incident."""
        same = before is not None and before.goes_on(self.began_s)
        return Sighting(min(before.began_s, self.began_s), self.seen_s) if before and same else self


class Sightings:
    """What this process saw and has not yet written to PostgreSQL; thread-safe."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self._lock = threading.Lock()
        self.unwritten: dict[str, Sighting] = {}
        self._ask_redis = True

    def see(self, seen: Mapping[str, Sighting]) -> None:
        """Note that these are, or were, wrong."""
        with self._lock:
            for name, sighting in seen.items():
                self.unwritten[name] = sighting.after(self.unwritten.get(name))

    def write(self, *, using: str) -> None:
        """Write what was seen to PostgreSQL, or else to Redis, or else remember it until one of them answers."""
        with self._lock:
            try:
                left = read_left() if self._ask_redis else {}
                _write([*left.items(), *self.unwritten.items()], using)
            except Error:
                self._ask_redis = True
                _leave_in_redis(self.unwritten)
            else:
                self._ask_redis = False
                self.unwritten = {}


def read_incidents(limit: int, *, using: str) -> list[tuple[str, Sighting]]:
    """
    The latest incidents, ongoing ones first.

    Raises:
        django.db.Error: PostgreSQL did not answer.
    """
    rows = Incident.objects.using(using).order_by("-seen_ts", "-began_ts")[:limit]
    return [(row.name, Sighting(row.began_ts.timestamp(), row.seen_ts.timestamp())) for row in rows]


sightings = Sightings()


def _write(seen_problems: Collection[tuple[str, Sighting]], using: str) -> None:
    if not seen_problems:
        return
    incidents, gap = Incident.objects.using(using), timedelta(seconds=GAP_SECONDS)
    with transaction.atomic(using=using):
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('cache_layer_incident', 0))")
        for name, sighting in seen_problems:
            began, seen = (datetime.fromtimestamp(moment, UTC) for moment in sighting)
            same = incidents.filter(name=name, began_ts__lte=seen + gap, seen_ts__gte=began - gap)
            if not same.update(began_ts=Least("began_ts", began), seen_ts=Greatest("seen_ts", seen)):
                incidents.create(name=name, began_ts=began, seen_ts=seen)
        incidents.filter(seen_ts__lt=Now() - RETENTION).delete()


def read_left() -> dict[str, Sighting]:
    """
    The sightings left in Redis, by any process, while PostgreSQL was down.

    They stay there until they expire: writing them to PostgreSQL twice changes nothing.
    """
    try:
        left: Any = get_redis_client().get(analytics_key("incidents"))
        return {str(name): Sighting(float(began), float(seen)) for name, (began, seen) in json.loads(left).items()}
    except (RedisError, ValueError, TypeError, AttributeError):  # nothing there, or foreign data
        return {}


def _leave_in_redis(unwritten: dict[str, Sighting]) -> None:
    left = read_left()
    for name, sighting in unwritten.items():
        left[name] = sighting.after(left.get(name))
    with suppress(RedisError):  # retried later
        get_redis_client().set(analytics_key("incidents"), json.dumps(left), ex=DAY_SECONDS)
