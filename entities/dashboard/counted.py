"""What all servers counted over each span, for several readers at the cost of one."""

from __future__ import annotations

import time
from typing import NamedTuple

from cache_layer.analytics import HOUR_SECONDS, MINUTE_SECONDS, Series, Span, read_series
from entities.kept import Kept

NAMES = {Span.HOUR: "the last hour", Span.DAY: "the last 24 hours", Span.WEEK: "the last 7 days"}
WEEK_KEPT_SECONDS = 30
"""A week has 168 steps, all but one of which stay as they are."""


class Counted(NamedTuple):
    """The series of each span."""

    hour: Series
    day: Series
    week: Series

    def over(self, span: Span) -> Series:
        return {Span.HOUR: self.hour, Span.DAY: self.day, Span.WEEK: self.week}[span]


_week = Kept(lambda: read_series(Span.WEEK), seconds=WEEK_KEPT_SECONDS)


def read_counted() -> Counted:
    """
    Every span: one round trip, and every half minute a second one.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    hour = read_series(Span.HOUR)
    week = _week.get()
    return Counted(hour, latest(week, Span.DAY.value[0] // HOUR_SECONDS), week)


def forget_counted() -> None:
    _week.forget()


def latest(series: Series, steps: int) -> Series:
    """The end of a series."""
    return Series(series.step_seconds, series.starts_s[-steps:], series.counts[-steps:])


def passed_seconds(series: Series) -> float:
    """How much of the present step is over."""
    return time.time() - series.starts_s[-1]


def last_minute(hour: Series) -> tuple[Series, float]:
    """
    The present minute and the one before, in which every server has reported; and how many seconds that is.

    Reports come once a minute, so what was reported in that time divided by it is the rate, give or take one report.
    """
    recent = latest(hour, 2)
    return recent, MINUTE_SECONDS + passed_seconds(recent)


def counted_hours(series: Series) -> float:
    """How many hours there are since the first step that has something."""
    first = next((number for number, counts in enumerate(series.counts) if counts), len(series.counts) - 1)
    return (len(series.counts) - first) * series.step_seconds / HOUR_SECONDS
