"""
What can be wrong with the platform, worded for the dashboard.

Each problem is named after the alert in deploy/prometheus/alerts.yml and docs/runbook.md that fires for the same
reason. Only Prometheus can detect the other alerts: they compare servers, or one server's figures over time.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from redis.exceptions import RedisError

from cache_layer.counting.analytics import Series, Span
from cache_layer.counting.incidents import Sighting
from cache_layer.inspect.memo import Memo
from cache_layer.inspect.server import ServerStatus
from cache_layer.writing.outbox import Backlog

LATE_SECONDS = 30
"""How long a change may wait for the relay before it is a problem."""
FULL = 0.9
COUNTED_SECONDS = 5
"""How old the counters may be here."""

TITLES = {
    "DatabaseDown": "PostgreSQL down",
    "RedisDown": "Redis down",
    "OutboxStuck": "Changes waiting",
    "RelayNotWorking": "No relay",
    "RedisMemoryHigh": "Redis nearly full",
    "CacheMismatch": "Wrong values found",
    "UnheldWritesSilent": "Writes while Redis was silent",
    "WritesRefused": "Writes refused",
    "HoldsLost": "Holds lost",
    "ValuesRefused": "Foreign bytes",
    "AnswersFailing": "Requests failing",
    "HitRatioLow": "Few hits",
}
"""All problems, worst first, with the titles of their incidents."""


class Problem(NamedTuple):
    """
    Attributes:
        name: the alert's name.
        text: what is wrong, and what readers notice.
        advice: what to do.
        seen: when it was seen; None for this look alone.
    """

    name: str
    text: str
    advice: str
    seen: Sighting | None = None

    @property
    def since_s(self) -> float:
        """When it began, in seconds since the epoch."""
        return self.seen.began_s if self.seen else time.time()


def find_problems(
    redis_answers: bool, backlog: Backlog | None, taken: bool, counters: tuple[Series, ServerStatus] | None = None
) -> Iterator[Problem]:
    """
    What is wrong now.

    Args:
        backlog: None if PostgreSQL does not answer.
        taken: whether some server relays.
        counters: the last hour's and the server's; if None, a result at most `COUNTED_SECONDS` old is used.
    """
    if backlog is None:
        yield Problem(
            "DatabaseDown",
            "PostgreSQL does not answer: what is cached can still be read, but nothing can be saved.",
            "Start PostgreSQL, or see why this server cannot reach it. Nothing else needs a restart.",
        )
    if not redis_answers:
        yield Problem(
            "RedisDown",
            "Redis does not answer: entity types are read from the database, and nothing can be invalidated or warmed.",
            "Start Redis, or see why this server cannot reach it. Nothing else needs a restart.",
        )
    if backlog is not None:
        yield from _find_late(backlog, redis_answers=redis_answers, taken=taken)
    if redis_answers:
        with suppress(RedisError):
            yield from counted_now.get() if counters is None else find_in_redis(*counters)


def _find_late(backlog: Backlog, *, redis_answers: bool, taken: bool) -> Iterator[Problem]:
    if backlog.oldest_seconds > LATE_SECONDS:
        advice = "Look for `Relay` in the log. To correct everything at once, clear all."
        if not redis_answers:
            advice = "They are delivered as soon as Redis replies."
        elif not taken:
            advice = "They are delivered as soon as a server relays."
        yield Problem(
            "OutboxStuck",
            f"{backlog.changes:,} committed change{' has' if backlog.changes == 1 else 's have'} not reached the cache"
            " yet: what was changed by SQL may be read late.",
            advice,
            Sighting(time.time() - backlog.oldest_seconds, time.time()),
        )
    if not taken:
        yield Problem(
            "RelayNotWorking",
            "No server relays: what is changed by SQL is read only when the entry expires.",
            "Look for `Relay interrupted` in the log; `manage.py relay_invalidations` helps at once.",
        )


class _Counted(NamedTuple):
    """A problem that exists if a counter rose within the last `minutes`."""

    name: str
    counter: str
    minutes: int
    text: str
    advice: str


COUNTED = (
    _Counted(
        "CacheMismatch",
        "audit_mismatches",
        60,
        "Cached values that did not match what is committed, found by a comparison and dropped: {number}.",
        "Keep the log (`Cache mismatch`), and look for another program that writes entity:* in this Redis.",
    ),
    _Counted(
        "UnheldWritesSilent",
        "unheld_writes:silent",
        15,
        "Writes that continued while Redis was silent: {number}. A server that still reached it may have old values.",
        "See why Redis was silent; compare the cache with the database now.",
    ),
    _Counted(
        "WritesRefused",
        "refused_writes",
        5,
        "Writes refused because Redis was silent: {number}. Nothing was saved, and the users got an error.",
        "See why Redis was silent, or set CACHE_WRITE_POLICY=available.",
    ),
    _Counted(
        "HoldsLost",
        "holds_ended:lost",
        15,
        "Writes under way whose holds Redis lost: {number}. Each writer waited once more; no reader noticed.",
        "Was Redis restarted or flushed? Does it evict keys (maxmemory-policy)? Do transactions outlast CACHE_HOLD_MS?",
    ),
    _Counted(
        "ValuesRefused",
        "refused_values",
        15,
        "Reads of our keys that found bytes of another program: {number}. The values were reloaded.",
        "Find out who writes there, or use a separate Redis or REDIS_DB.",
    ),
)


def find_counted(hour: Series) -> Iterator[Problem]:
    """The problems shown by the last hour's counters."""
    for each in COUNTED:
        minutes = hour.latest(each.minutes)
        steps = zip(minutes.starts_s, minutes.counts, strict=True)
        starts = [start for start, counts in steps if counts.get(each.counter)]
        if starts:
            seen = Sighting(starts[0], min(time.time(), starts[-1] + hour.step_seconds))
            text = each.text.format(number=f"{minutes.total(each.counter):,}")
            yield Problem(each.name, text, each.advice, seen)
    few = hour.latest(5)
    errors, answered = few.total("answer_errors"), few.total("replays") + few.answers()
    if errors >= 5 and errors > 0.01 * answered:
        yield Problem(
            "AnswersFailing",
            f"{errors:,} of {answered:,} responses in the last 5 minutes were errors of ours (status 500 or more).",
            "The log has the exceptions.",
        )
    quarter = hour.latest(15)
    reads, ratio = sum(quarter.totals("reads").values()), quarter.hit_ratio()
    if ratio is not None and ratio < 0.8 and reads > 15 * 60:
        yield Problem(
            "HitRatioLow",
            f"Only {ratio:.0%} of the reads in the last 15 minutes were served from memory or Redis.",
            "Are many types not cached? Then warm all. Does one change all the time? Check the list of entries.",
        )


NAMES = (
    *(each.counter for each in COUNTED),
    *("answer_errors", "replays"),
    *(f"reads:{source}" for source in Series.SOURCES),
    *(f"answer_seconds:{source}:+Inf" for source in (*Series.SOURCES, "none")),
)
"""The counters that `find_counted` reads: a fifteenth of all."""


def find_in_redis(hour: Series, status: ServerStatus) -> Iterator[Problem]:
    """The problems shown by the last hour's counters and the server's own figures."""
    yield from find_counted(hour)
    if status.max_memory_bytes and status.used_memory_bytes > FULL * status.max_memory_bytes:
        yield Problem(
            "RedisMemoryHigh",
            f"Redis uses {status.used_memory_bytes / status.max_memory_bytes:.0%} of its memory limit: once full, it"
            " accepts no more values.",
            "Give it more (maxmemory), or a separate server.",
        )


counted_now: Memo[list[Problem]] = Memo(
    lambda: list(find_in_redis(Series.read(Span.HOUR, NAMES), ServerStatus.read())), seconds=COUNTED_SECONDS
)
