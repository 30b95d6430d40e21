"""Current activity: reads per second and hit ratio over the last whole steps, for the dashboard and commands."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cache_layer.counting.analytics import MINUTE_SECONDS, MOMENT_SECONDS, Series, Span, look

SHOWN_SECONDS = 10


@dataclass(frozen=True)
class Recent:
    """The last whole steps: of two seconds while somebody looks, else the last minute; empty if none was reported."""

    series: Series

    @property
    def words(self) -> str:
        """The period, such as `over the last 10 s`."""
        if not self.series.counts:
            return "not reported yet"
        if self.series.step_seconds == MINUTE_SECONDS:
            return "over the last whole minute"
        return f"over the last {self.series.seconds} s"

    @property
    def rates(self) -> dict[str, float] | None:
        """Reads per second by source; None, rather than 0, if nothing was reported."""
        if not self.series.counts:
            return None
        reads = self.series.totals("reads")
        return {source: reads.get(source, 0) / self.series.seconds for source in Series.SOURCES}

    @property
    def hit_ratio(self) -> float | None:
        return self.series.hit_ratio()

    @classmethod
    def read(cls, hour: Series | None = None) -> Recent:
        """
        Read the current activity; makes every process report each moment for a while.

        Args:
            hour: the result of `Series.read(Span.HOUR)`, if already read.
        Raises:
            CacheUnavailable: Redis did not answer.
        """
        look()
        moments = Series.read(Span.NOW).whole().latest(SHOWN_SECONDS // MOMENT_SECONDS)
        since_s = time.time() - SHOWN_SECONDS - 2 * MOMENT_SECONDS
        if moments.starts_s and moments.starts_s[0] >= since_s:
            return cls(moments)
        minutes = (Series.read(Span.HOUR) if hour is None else hour).whole().latest(1)
        is_late = bool(minutes.starts_s) and minutes.starts_s[0] < time.time() - 3 * MINUTE_SECONDS
        return cls(minutes.latest(0) if is_late else minutes)
