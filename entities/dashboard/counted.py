"""What all servers counted over each span, for several readers at the cost of one."""

from __future__ import annotations

from typing import NamedTuple

from cache_layer.inspect import Kept, Recent, Series, Span, read_recent, read_series

NAMES = {Span.HOUR: "the last hour", Span.DAY: "the last 24 hours", Span.WEEK: "the last 7 days"}
HOUR_SECONDS = 3_600
WEEK_KEPT_SECONDS = 30
"""A week has 168 steps, all but one of which stay as they are."""


class Counted(NamedTuple):
    """The series of each span, and what happens now."""

    recent: Recent
    hour: Series
    day: Series
    week: Series

    def over(self, span: Span) -> Series:
        return {Span.HOUR: self.hour, Span.DAY: self.day, Span.WEEK: self.week}[span]


_week = Kept(lambda: read_series(Span.WEEK), seconds=WEEK_KEPT_SECONDS)


def read_counted() -> Counted:
    """
    Every span: three round trips, and every half minute one more.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    hour = read_series(Span.HOUR)
    week = _week.get()
    return Counted(read_recent(hour), hour, week.latest(Span.DAY.value[0] // HOUR_SECONDS), week)


def forget_counted() -> None:
    _week.forget()


def counted_hours(series: Series) -> float:
    """How many hours there are since the first step that has something."""
    first = next((number for number, counts in enumerate(series.counts) if counts), len(series.counts) - 1)
    return (len(series.counts) - first) * series.step_seconds / HOUR_SECONDS
