"""
Analytics: what all processes counted, as `reporting` left it in Redis: minutes for two hours, hours for seven days, and
moments of two seconds while somebody looks.

The figures are lost with Redis' memory. A step is whole when it is over and has been reported; an unreported step is
unknown, not zero. Foreign data under these keys is ignored.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import ClassVar

from cache_layer.keys import DAY_SECONDS, analytics_key, totals_key
from cache_layer.metrics import ANSWER_TIMES, SECONDS
from cache_layer.server.connection import get_redis_client

MOMENT_SECONDS, MINUTE_SECONDS, HOUR_SECONDS = 2, 60, 3_600
WATCHED_SECONDS = 15
"""How long every process keeps reporting each moment after somebody last looked."""
RECENT_SECONDS = 10
GRACE_SECONDS = 0.5
"""How long after its end a step may still be reported; all processes report at the same time."""

_NAME = re.compile(r"[a-z_][A-Za-z0-9_.+:-]*")
_COUNT = re.compile(rb"[0-9]{1,18}")
_BOUND = re.compile(r"[0-9]{1,9}(?:\.[0-9]+)?(?:e-?[0-9]{1,2})?|\+Inf")
_ANSWERS = ("answer_seconds", "replay_seconds")


class Span(Enum):
    """How far to look back, and the length of a step, both in seconds."""

    NOW = (20, MOMENT_SECONDS)
    HOUR = (HOUR_SECONDS, MINUTE_SECONDS)
    DAY = (DAY_SECONDS, HOUR_SECONDS)
    WEEK = (7 * DAY_SECONDS, HOUR_SECONDS)


@dataclass(frozen=True)
class Series:
    """
    Totals by time step.

    Attributes:
        starts_s: when each step began, in seconds since the epoch.
        counts: each step's counts by name: the counter and its label values, separated by colons, such as `reads:L1`.
            Histograms are cumulative, such as `answer_seconds:L2:0.005`. A reported step has `reports`.
    """

    step_seconds: int
    starts_s: tuple[int, ...]
    counts: tuple[dict[str, int], ...]

    SOURCES: ClassVar[dict[str, str]] = {
        "L1": "memory",
        "L2": "Redis",
        "DB": "database",
        "BYPASS": "database, not cached",
        "STALE": "last known",
    }
    """The sources of reads, and their names for people."""

    @classmethod
    def read(cls, span: Span, names: Sequence[str] = ()) -> Series:
        """
        Read what was counted, from the oldest step to the current one.

        Args:
            names: the names to read, as in `Series.counts`; empty for all, which is some hundreds per step.
        Raises:
            CacheUnavailable: Redis did not answer.
        """
        length, step = span.value
        last = int(time.time()) // step * step
        starts = tuple(range(last - length + step, last + step, step))
        pipeline = get_redis_client().pipeline()
        for start in starts:
            key = totals_key(step, start)
            pipeline.hmget(key, names) if names else pipeline.hgetall(key)
        found = pipeline.execute()
        if names:
            found = [dict(zip(map(str.encode, names), counts, strict=True)) for counts in found]
        return cls(step, starts, tuple(map(_counts_of, found)))

    @classmethod
    def recent(cls, hour: Series | None = None) -> Series:
        """
        Read the last whole steps: of two seconds while somebody looks, else the last minute; empty if none was
        reported. Makes every process report each moment for a while.

        Args:
            hour: the result of `Series.read(Span.HOUR)`, if already read.
        Raises:
            CacheUnavailable: Redis did not answer.
        """
        get_redis_client().set(analytics_key("watched"), "", ex=WATCHED_SECONDS)
        moments = cls.read(Span.NOW).whole().latest(RECENT_SECONDS // MOMENT_SECONDS)
        since_s = time.time() - RECENT_SECONDS - 2 * MOMENT_SECONDS
        if moments.starts_s and moments.starts_s[0] >= since_s:
            return moments
        minutes = (cls.read(Span.HOUR) if hour is None else hour).whole().latest(1)
        is_late = bool(minutes.starts_s) and minutes.starts_s[0] < time.time() - 3 * MINUTE_SECONDS
        return minutes.latest(0) if is_late else minutes

    @property
    def words(self) -> str:
        """The period of the recent steps, such as `over the last 10 s`."""
        if not self.counts:
            return "not reported yet"
        if self.step_seconds == MINUTE_SECONDS:
            return "over the last whole minute"
        return f"over the last {self.seconds} s"

    @property
    def rates(self) -> dict[str, float] | None:
        """Reads per second by source; None, rather than 0, if nothing was reported."""
        if not self.counts:
            return None
        reads = self.totals("reads")
        return {source: reads.get(source, 0) / self.seconds for source in self.SOURCES}

    def total(self, name: str) -> int:
        return sum(counts.get(name, 0) for counts in self.counts)

    def totals(self, metric: str) -> dict[str, int]:
        """The totals of one metric by label values."""
        found: dict[str, int] = defaultdict(int)
        for counts in self.counts:
            for name, number in counts.items():
                if name.startswith(f"{metric}:"):
                    found[name.removeprefix(f"{metric}:")] += number
        return dict(found)

    def latest(self, steps: int) -> Series:
        """The last `steps` steps."""
        first = max(0, len(self.counts) - steps)
        return Series(self.step_seconds, self.starts_s[first:], self.counts[first:])

    def whole(self) -> Series:
        """The steps that are over and were reported."""
        last_s = time.time() - self.step_seconds - GRACE_SECONDS
        steps = zip(self.starts_s, self.counts, strict=True)
        whole = {start: counts for start, counts in steps if counts and start <= last_s}
        return Series(self.step_seconds, tuple(whole), tuple(whole.values()))

    @property
    def seconds(self) -> int:
        """The total length of its steps."""
        return self.step_seconds * len(self.counts)

    def answers(self) -> int:
        """The number of responses other than replays from memory."""
        return sum(number for labels, number in self.totals("answer_seconds").items() if labels.endswith(":+Inf"))

    def hit_ratio(self) -> float | None:
        """The share of reads served from memory or Redis; None if there were no reads."""
        reads = self.totals("reads")
        total = sum(reads.values())
        return (reads.get("L1", 0) + reads.get("L2", 0)) / total if total else None

    def buckets(self, metric: str, *, but: str = "") -> dict[float, int]:
        """A histogram's cumulative counts by upper bound, summed over all labels except `but`."""
        buckets = dict.fromkeys(ANSWER_TIMES if metric in _ANSWERS else SECONDS, 0)  # empty buckets are not reported
        for labels, number in self.totals(metric).items():
            label, _, bound = labels.rpartition(":")
            if _BOUND.fullmatch(bound) and (not but or label != but):
                buckets[float(bound)] = buckets.get(float(bound), 0) + number
        return buckets

    def percentile_seconds(self, metric: str, part: float) -> float | None:
        """A percentile (`part`: 0 to 1) of a histogram, over all its labels; None if it has no observations."""
        return percentile_of(self.buckets(metric), part)

    def read_percentile_seconds(self, part: float) -> float | None:
        """
        A percentile (`part`: 0 to 1) of the times of the API's reads.

        Those served by Django or after asking Redis are all timed; of replays from memory, only a sample.
        """
        buckets = {bound: float(number) for bound, number in self.buckets("answer_seconds", but="none").items()}
        timed = self.buckets("replay_seconds")
        weight = self.total("replays") / timed[inf] if timed.get(inf) else 0
        for bound, number in timed.items():
            buckets[bound] = buckets.get(bound, 0) + weight * number
        return percentile_of(buckets, part)


def percentile_of(buckets: Mapping[float, float], part: float) -> float | None:
    """
    The value below which this part of the observations lies, assuming they are spread evenly within each bucket.

    `inf` if it is above the last bound, None if there are no observations. As Prometheus' `histogram_quantile`.
    """
    total = buckets.get(inf, 0)
    if not total:
        return None
    rank, below, lower = part * total, 0.0, 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= rank > below:
            share = (rank - below) / (buckets[bound] - below)
            return bound if bound == inf else lower + (bound - lower) * share
        below, lower = max(below, buckets[bound]), bound
    return inf  # foreign data does not add up


def _counts_of(found: Mapping[bytes, bytes | None]) -> dict[str, int]:
    named = ((name.decode(errors="replace"), count_of(number)) for name, number in found.items() if number)
    return {name: number for name, number in named if _NAME.fullmatch(name)}


def count_of(found: bytes | None) -> int:
    """A count as HINCRBY leaves it; 0 for anything else."""
    return int(found) if found and _COUNT.fullmatch(found) else 0
