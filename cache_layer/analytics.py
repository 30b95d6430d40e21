"""
Analytics: what all processes counted, as `reporting` left it in Redis: minutes for two hours, hours for seven days.

It is gone with Redis' memory, and up to a minute late. What others have put there is passed over.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from cache_layer.connection import get_redis_client
from cache_layer.keys import DAY_SECONDS, analytics_key, hits_key, totals_key
from cache_layer.options import entry_ttl_seconds

MINUTE_SECONDS, HOUR_SECONDS = 60, 3_600

_NAME = re.compile(r"[a-z_][A-Za-z0-9_.+:-]*")
_COUNT = re.compile(rb"[0-9]{1,18}")
_INVALIDATED = re.compile(rb"([0-9]{1,10}) ([a-z]{1,20})")
_BOUND = re.compile(r"[0-9]{1,9}(?:\.[0-9]+)?(?:e-?[0-9]{1,2})?|\+Inf")
_LAST_S = 9_999_999_999
"""No moment of ours is later, in seconds since the epoch."""


class Span(Enum):
    """How far to look back, with the length of one step, both in seconds."""

    HOUR = (HOUR_SECONDS, MINUTE_SECONDS)
    DAY = (DAY_SECONDS, HOUR_SECONDS)
    WEEK = (7 * DAY_SECONDS, HOUR_SECONDS)


class EntryActivity(NamedTuple):
    """
    What all processes reported of one entry.

    Attributes:
        hits_today: reads from memory or Redis since midnight, UTC.
        hits_since_stored: None if its value is not known to be stored.
        stored_s, invalidated_s: seconds since the epoch; None if not within seven days.
        cause: of the last invalidation.
    """

    hits_today: int
    hits_since_stored: int | None
    stored_s: int | None
    invalidated_s: int | None
    cause: str | None


@dataclass(frozen=True)
class Series:
    """
    Totals by time step.

    Attributes:
        starts_s: when each step began, seconds since the epoch.
        counts: of each step, by name: that of the counter, and its labels' values behind colons, as `reads:L1`;
            histograms are cumulative, as `answer_seconds:L2:0.005`.
    """

    step_seconds: int
    starts_s: tuple[int, ...]
    counts: tuple[dict[str, int], ...]

    def total(self, name: str) -> int:
        return sum(counts.get(name, 0) for counts in self.counts)

    def totals(self, metric: str) -> dict[str, int]:
        """The totals of one metric by its labels."""
        found: dict[str, int] = defaultdict(int)
        for counts in self.counts:
            for name, number in counts.items():
                if name.startswith(f"{metric}:"):
                    found[name.removeprefix(f"{metric}:")] += number
        return dict(found)

    def latest(self, steps: int) -> Series:
        """The end of it."""
        return Series(self.step_seconds, self.starts_s[-steps:], self.counts[-steps:])

    def answers(self) -> int:
        """Answers that Django made."""
        return sum(number for labels, number in self.totals("answer_seconds").items() if labels.endswith(":+Inf"))

    def hit_ratio(self) -> float | None:
        """Reads answered from memory or Redis among all; None if there were none."""
        reads = self.totals("reads")
        total = sum(reads.values())
        return (reads.get("L1", 0) + reads.get("L2", 0)) / total if total else None

    def percentile_seconds(self, metric: str, part: float) -> float | None:
        """
        An upper bound of this part of a histogram's observations, over all its labels; None if there are none.

        It is the bound of the bucket in which they end: `inf` if that is the last.
        """
        buckets: dict[float, int] = defaultdict(int)
        for labels, number in self.totals(metric).items():
            bound = labels.rpartition(":")[2]
            if _BOUND.fullmatch(bound):
                buckets[float(bound)] += number
        total = buckets.get(float("inf"), 0)
        reached = (bound for bound in sorted(buckets) if buckets[bound] >= part * total)
        return next(reached, None) if total else None


def read_series(span: Span) -> Series:
    """
    What was counted, oldest step first, the present one last.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    length, step = span.value
    last = int(time.time()) // step * step
    starts = tuple(range(last - length + step, last + step, step))
    pipeline = get_redis_client().pipeline()
    for start in starts:
        pipeline.hgetall(totals_key(step, start))
    return Series(step, starts, tuple(map(_counts_of, pipeline.execute())))


def read_activity(keys: Sequence[str]) -> dict[str, EntryActivity]:
    """
    What was reported of these entries (a minute late, at most).

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    if not keys:
        return {}
    pipeline = get_redis_client().pipeline()
    pipeline.hmget(hits_key(time.time()), list(keys))
    pipeline.zmscore(analytics_key("stored"), list(keys))
    pipeline.hmget(analytics_key("hits"), list(keys))
    pipeline.hmget(analytics_key("invalidated"), list(keys))
    found: dict[str, EntryActivity] = {}
    for key, today, expiry, hits, invalidated in zip(keys, *pipeline.execute(), strict=True):
        stored_s = int(expiry) - entry_ttl_seconds() if expiry and 0 < expiry <= _LAST_S else None
        ended = _INVALIDATED.fullmatch(invalidated or b"")
        found[key] = EntryActivity(
            hits_today=_count_of(today),
            hits_since_stored=_count_of(hits) if stored_s is not None else None,
            stored_s=stored_s,
            invalidated_s=int(ended[1]) if ended else None,
            cause=ended[2].decode() if ended else None,
        )
    return found


def _counts_of(found: dict[bytes, bytes]) -> dict[str, int]:
    named = ((name.decode(errors="replace"), _count_of(number)) for name, number in found.items())
    return {name: number for name, number in named if _NAME.fullmatch(name)}


def _count_of(found: bytes | None) -> int:
    """A number as adding to it leaves one; 0 for anything else."""
    return int(found) if found and _COUNT.fullmatch(found) else 0
