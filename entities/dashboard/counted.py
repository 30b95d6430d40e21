"""All servers' counts over each span, cached for several readers."""

from __future__ import annotations

from typing import NamedTuple

from cache_layer.inspect import Kept, Recent, Series, Span

NAMES = {Span.HOUR: "the last hour", Span.DAY: "the last 24 hours", Span.WEEK: "the last 7 days"}
HOUR_SECONDS = 3_600
WEEK_TTL_SECONDS = 30
"""A week has 168 steps, of which only the last changes."""


class Counted(NamedTuple):
    """The series of each span, and the current rates."""

    recent: Recent
    hour: Series
    day: Series
    week: Series

    def over(self, span: Span) -> Series:
        return {Span.HOUR: self.hour, Span.DAY: self.day, Span.WEEK: self.week}[span]


_week = Kept(lambda: Series.read(Span.WEEK), seconds=WEEK_TTL_SECONDS)


def read_counted() -> Counted:
    """
    Read every span: three round trips, and one more every half minute.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    hour = Series.read(Span.HOUR)
    week = _week.get()
    return Counted(Recent.read(hour), hour, week.latest(Span.DAY.value[0] // HOUR_SECONDS), week)


def forget_counted() -> None:
    _week.forget()


def counted_hours(series: Series) -> float:
    """Hours since the first step with data."""
    first = next((number for number, counts in enumerate(series.counts) if counts), len(series.counts) - 1)
    return (len(series.counts) - first) * series.step_seconds / HOUR_SECONDS
