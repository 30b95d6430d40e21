"""All servers' counts over each span, cached for several readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cache_layer.inspect import Memo, Series, Span

NAMES = {Span.HOUR: "the last hour", Span.DAY: "the last 24 hours", Span.WEEK: "the last 7 days"}
HOUR_SECONDS = 3_600
WEEK_TTL_SECONDS = 30
"""A week has 168 steps, of which only the last changes."""


class Counted(NamedTuple):
    """The current rates, and the series of each span."""

    recent: Series
    over: Mapping[Span, Series]


_week = Memo(lambda: Series.read(Span.WEEK), seconds=WEEK_TTL_SECONDS)


def read_counted() -> Counted:
    """
    Read every span: three round trips, and one more every half minute.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    hour, week = Series.read(Span.HOUR), _week.get()
    day = week.latest(Span.DAY.value[0] // HOUR_SECONDS)
    return Counted(Series.recent(hour), {Span.HOUR: hour, Span.DAY: day, Span.WEEK: week})


def forget_counted() -> None:
    _week.forget()


def counted_hours(series: Series) -> float:
    """Hours since the first step with data."""
    first = next((number for number, counts in enumerate(series.counts) if counts), len(series.counts) - 1)
    return (len(series.counts) - first) * series.step_seconds / HOUR_SECONDS
