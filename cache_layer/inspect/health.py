"""
The platform's health: the one source of `/health`, the dashboard's first line, `cache_status` and the last incidents.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import Error, connections

from cache_layer.counting.analytics import Series
from cache_layer.counting.incidents import Sighting, read_incidents, read_left, sightings
from cache_layer.deadline import working_within
from cache_layer.inspect.problems import TITLES, Problem, counted_now, find_problems
from cache_layer.inspect.server import ServerStatus
from cache_layer.lookup import outbox_alias
from cache_layer.options import get_options
from cache_layer.server.connection import is_redis_healthy
from cache_layer.upkeep.turn import is_taken
from cache_layer.writing.outbox import Backlog

logger = logging.getLogger("cache_layer")

LOOK_SECONDS, LOOK_MS = 2, 4_000
"""How often a process looks in the background, and how long it waits for Redis and PostgreSQL then."""
PATIENCE_SECONDS = {"RelayNotWorking": 120}
"""How long something may be wrong before it is a problem: by then another process relays, if any can."""
SHOWN_INCIDENTS = 5


class Incident(NamedTuple):
    """Something that was wrong, or still is."""

    name: str
    began_s: float
    ended_s: float | None

    @property
    def words(self) -> str:
        """Such as `Redis down 20:19:36 to 20:20:37`, with the day if it was not today."""
        until = "until now" if self.ended_s is None else f"to {datetime.fromtimestamp(self.ended_s, UTC):%H:%M:%S}"
        return f"{TITLES.get(self.name, self.name)} {_since(self.began_s)} {until}"


@dataclass(frozen=True)
class Health:
    """
    Attributes:
        backlog: what the relay still has to do; None if PostgreSQL does not answer.
        redis_answers: whether every Redis node answers.
        problems: what is wrong now, worst first.
        incidents: the latest incidents.
    """

    backlog: Backlog | None
    redis_answers: bool
    problems: list[Problem]
    incidents: list[Incident]

    @classmethod
    def look(cls, *, note: bool = False, counters: tuple[Series, ServerStatus] | None = None) -> Health:
        """
        Check Redis (one exchange) and PostgreSQL (a few), and the counters now and then.

        Args:
            note: record problems as incidents; for callers that look continuously.
            counters: the last hour's and the server's, if the caller has just read them; else they may be seconds old.
        """
        begun_s = time.time()
        redis_answers = is_redis_healthy()  # first, since a hanging database may take all the time
        using = outbox_alias()
        backlog, known, taken = None, [], True
        try:
            backlog = Backlog.measure(using=using)
            known = read_incidents(SHOWN_INCIDENTS + len(TITLES), using=using)
            taken = not get_options().relay or is_taken(using)
        except Error:
            backlog = None
            known = list(read_left().items()) if redis_answers else []
        now_s = time.time()
        found = list(find_problems(redis_answers, backlog, taken, counters))
        seen = {each.name: each.seen or Sighting(begun_s, now_s) for each in found}
        if note:
            sightings.see(seen)
        for name, before in [*known, *sightings.unwritten.copy().items()]:  # by any process
            if name in seen and before.goes_on(now_s):
                seen[name] = Sighting(min(before.began_s, seen[name].began_s), seen[name].seen_s)
        problems = [each._replace(seen=seen[each.name]) for each in found]
        shown = [problem for problem in problems if now_s - problem.since_s >= PATIENCE_SECONDS.get(problem.name, 0)]
        names = {problem.name for problem in shown}
        incidents = [
            Incident(name, sighting.began_s, None if name in names and sighting.goes_on(now_s) else sighting.seen_s)
            for name, sighting in known
            if sighting.seen_s - sighting.began_s >= PATIENCE_SECONDS.get(name, 0)
        ]
        shown.sort(key=lambda problem: list(TITLES).index(problem.name))
        return cls(backlog, redis_answers, shown, incidents[:SHOWN_INCIDENTS])

    forget = staticmethod(counted_now.forget)
    """Makes the next look read the counters again."""

    @property
    def status(self) -> str:
        if self.backlog is None:
            return "down"
        return "degraded" if self.problems else "ok"

    def as_json(self) -> dict[str, Any]:
        """For programs; times such as `2025-01-18T14:22:00Z`."""
        return {
            "status": self.status,
            "headline": self.headline,
            "problems": [
                {"name": each.name, "since": _moment(each.since_s), "text": each.text, "advice": each.advice}
                for each in self.problems
            ],
            "incidents": [
                {"name": each.name, "began": _moment(each.began_s), "ended": each.ended_s and _moment(each.ended_s)}
                for each in self.incidents
            ],
        }

    @property
    def level(self) -> str:
        """`ok`, `warning`, or `error` if Redis or PostgreSQL is down."""
        if self.backlog is None or not self.redis_answers:
            return "error"
        return "warning" if self.problems else "ok"

    @property
    def headline(self) -> str:
        """`Healthy`, or the worst problem and when it began."""
        if not self.problems:
            return "Healthy"
        worst = self.problems[0]
        return f"{worst.text} Since {_since(worst.since_s)} UTC."


def _since(seconds: float) -> str:
    """The time, with the day if it was not today."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now(UTC).date() else f"{moment:%d %b %H:%M:%S}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def watch_health() -> None:
    """Look continuously, and store incidents so that they outlive this process; never returns."""
    using = outbox_alias()
    while True:
        try:
            with working_within(LOOK_MS):
                Health.look(note=True)
                sightings.write(using=using)
        except Exception:  # no fault may end this loop
            logger.exception("Health could not be looked at")
        finally:
            connections[using].close()
        time.sleep(LOOK_SECONDS)
