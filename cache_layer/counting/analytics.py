"""
Analytics: what all processes counted, as `reporting` left it in Redis: minutes for two hours, hours for seven days, and
moments of two seconds for as long as somebody looks.

It is gone with Redis' memory. A step is whole when it is over and has been reported; one that nobody reported is
unknown, not zero. What others have put there is passed over.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from cache_layer.keys import DAY_SECONDS, analytics_key, hits_key, totals_key
from cache_layer.metrics import ANSWER_TIMES, SECONDS
from cache_layer.options import entry_ttl_seconds
from cache_layer.server.connection import get_redis_client

if TYPE_CHECKING:  # models, which come after settings
    from cache_layer.lookup import Lookup

MOMENT_SECONDS, MINUTE_SECONDS, HOUR_SECONDS = 2, 60, 3_600
WATCHED_SECONDS = 15
"""How long after somebody last looked every process goes on reporting each moment."""
GRACE_SECONDS = 0.5
"""How long after its end a step may still be reported: the reports of all processes come at the same time."""

_NAME = re.compile(r"[a-z_][A-Za-z0-9_.+:-]*")
_COUNT = re.compile(rb"[0-9]{1,18}")
_INVALIDATED = re.compile(rb"([0-9]{1,10}) ([a-z]{1,20})")
_BOUND = re.compile(r"[0-9]{1,9}(?:\.[0-9]+)?(?:e-?[0-9]{1,2})?|\+Inf")
_ANSWERS = ("answer_seconds", "replay_seconds")
_LAST_S = 9_999_999_999
"""No moment of ours is later, in seconds since the epoch."""


class Span(Enum):
    """How far to look back, with the length of one step, both in seconds."""

    NOW = (20, MOMENT_SECONDS)
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
            histograms are cumulative, as `answer_seconds:L2:0.005`. A step that was reported has `reports`.
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
        first = max(0, len(self.counts) - steps)
        return Series(self.step_seconds, self.starts_s[first:], self.counts[first:])

    def whole(self) -> Series:
        """The steps that are over and were reported."""
        now_s = time.time()
        kept = [
            (start, counts)
            for start, counts in zip(self.starts_s, self.counts, strict=True)
            if counts and start + self.step_seconds + GRACE_SECONDS <= now_s
        ]
        return Series(self.step_seconds, tuple(start for start, _ in kept), tuple(counts for _, counts in kept))

    @property
    def seconds(self) -> int:
        """How long its steps are together."""
        return self.step_seconds * len(self.counts)

    def answers(self) -> int:
        """Answers that Django made."""
        return sum(number for labels, number in self.totals("answer_seconds").items() if labels.endswith(":+Inf"))

    def hit_ratio(self) -> float | None:
        """Reads answered from memory or Redis among all; None if there were none."""
        reads = self.totals("reads")
        total = sum(reads.values())
        return (reads.get("L1", 0) + reads.get("L2", 0)) / total if total else None

    def buckets(self, metric: str, *, but: str = "") -> dict[float, int]:
        """A histogram's cumulative counts by upper bound, over all its labels `but` one."""
        buckets = dict.fromkeys(ANSWER_TIMES if metric in _ANSWERS else SECONDS, 0)  # those without any are not told
        for labels, number in self.totals(metric).items():
            label, _, bound = labels.rpartition(":")
            if _BOUND.fullmatch(bound) and (not but or label != but):
                buckets[float(bound)] = buckets.get(float(bound), 0) + number
        return buckets

    def percentile_seconds(self, metric: str, part: float) -> float | None:
        """This part of a histogram's observations, over all its labels, took no longer; None if there are none."""
        return percentile_of(self.buckets(metric), part)

    def read_percentile_seconds(self, part: float) -> float | None:
        """
        This part of the API's reads took no longer: of those made by Django or asked of Redis, which are all timed, and
        of those replayed from memory, of which some are.
        """
        buckets = {bound: float(number) for bound, number in self.buckets("answer_seconds", but="none").items()}
        timed = self.buckets("replay_seconds")
        weight = self.total("replays") / timed[inf] if timed.get(inf) else 0
        for bound, number in timed.items():
            buckets[bound] = buckets.get(bound, 0) + weight * number
        return percentile_of(buckets, part)


def percentile_of(buckets: Mapping[float, float], part: float) -> float | None:
    """
    The value below which this part of the observations lies, taking those of a bucket to be spread evenly over it.

    `inf` if that is above the last bound, None if there are no observations. As Prometheus' `histogram_quantile`.
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
    return inf  # what others have put there does not add up


def look() -> None:
    """
    Somebody looks at the figures: for a while every process reports each moment.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    get_redis_client().set(analytics_key("watched"), "", ex=WATCHED_SECONDS)


def read_series(span: Span, names: Sequence[str] = ()) -> Series:
    """
    What was counted, the oldest step first, the present one last.

    Args:
        names: of `Series.counts`; all there are if it is empty, which are some hundreds in each step.
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
    return Series(step, starts, tuple(map(_counts_of, found)))


def read_activity(lookup: Lookup[Any], identifiers: Iterable[str]) -> dict[str, EntryActivity]:
    """
    What was reported of these entries (a minute late, at most).

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    wanted = list(identifiers)
    if not wanted:
        return {}
    keys = [lookup.key(identifier) for identifier in wanted]
    pipeline = get_redis_client().pipeline()
    pipeline.hmget(hits_key(time.time()), keys)
    pipeline.zmscore(analytics_key("stored"), keys)
    pipeline.hmget(analytics_key("hits"), keys)
    pipeline.hmget(analytics_key("invalidated"), keys)
    found: dict[str, EntryActivity] = {}
    for identifier, today, expiry, hits, invalidated in zip(wanted, *pipeline.execute(), strict=True):
        stored_s = int(expiry) - entry_ttl_seconds() if expiry and 0 < expiry <= _LAST_S else None
        ended = _INVALIDATED.fullmatch(invalidated or b"")
        found[identifier] = EntryActivity(
            hits_today=_count_of(today),
            hits_since_stored=_count_of(hits) if stored_s is not None else None,
            stored_s=stored_s,
            invalidated_s=int(ended[1]) if ended else None,
            cause=ended[2].decode() if ended else None,
        )
    return found


def _counts_of(found: Mapping[bytes, bytes | None]) -> dict[str, int]:
    named = ((name.decode(errors="replace"), _count_of(number)) for name, number in found.items() if number)
    return {name: number for name, number in named if _NAME.fullmatch(name)}


def _count_of(found: bytes | None) -> int:
    """A number as adding to it leaves one; 0 for anything else."""
    return int(found) if found and _COUNT.fullmatch(found) else 0
