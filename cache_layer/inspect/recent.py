"""What happens now: reads a second and the hit ratio of the last whole steps, for the dashboard and for commands."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cache_layer.counting.analytics import MINUTE_SECONDS, MOMENT_SECONDS, Series, Span, look, read_series

SHOWN_SECONDS = 10
STEPS = {"L1": "memory", "L2": "Redis", "DB": "database", "BYPASS": "database, not cached", "STALE": "last known"}
"""Where a read may be answered from."""


@dataclass(frozen=True)
class Recent:
    """The last whole steps: seconds while somebody looks, else the last whole minute; none if none was reported."""

    series: Series

    @property
    def words(self) -> str:
        """Over what time: `over the last 10 s`."""
        if not self.series.counts:
            return "not reported yet"
        if self.series.step_seconds == MINUTE_SECONDS:
            return "over the last whole minute"
        return f"over the last {self.series.seconds} s"

    @property
    def rates(self) -> dict[str, float] | None:
        """Reads a second by where they came from; None if nothing was reported, which is not 0."""
        if not self.series.counts:
            return None
        reads = self.series.totals("reads")
        return {source: reads.get(source, 0) / self.series.seconds for source in STEPS}

    @property
    def hit_ratio(self) -> float | None:
        return self.series.hit_ratio()


def read_recent(hour: Series | None = None) -> Recent:
    """
    Look at what happens now; this has every process report each moment for a while.

    Args:
        hour: that of `read_series`, if it has been read already.
    Raises:
        CacheUnavailable: Redis did not answer.
    """
    look()
    moments = read_series(Span.NOW).whole().latest(SHOWN_SECONDS // MOMENT_SECONDS)
    since_s = time.time() - SHOWN_SECONDS - 2 * MOMENT_SECONDS
    if moments.starts_s and moments.starts_s[0] >= since_s:
        return Recent(moments)
    minutes = (read_series(Span.HOUR) if hour is None else hour).whole().latest(1)
    is_late = bool(minutes.starts_s) and minutes.starts_s[0] < time.time() - 3 * MINUTE_SECONDS
    return Recent(minutes.latest(0) if is_late else minutes)
