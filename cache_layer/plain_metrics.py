"""
Stand-ins for prometheus-client's counters, gauges and histograms where it is not installed, for this process only.

Nothing scrapes them, but the totals that processes report to Redis (`counting`) come from them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import NamedTuple

_counting: threading.Lock


def _begin() -> None:
    """Make the lock, also in a forked child: a thread of its parent may have held the parent's."""
    global _counting  # noqa: PLW0603 - one lock for all metrics
    _counting = threading.Lock()


_begin()
os.register_at_fork(after_in_child=_begin)


class Sample(NamedTuple):
    """One number, under prometheus-client's name for it."""

    name: str
    labels: dict[str, str]
    value: float


class Family(NamedTuple):
    """All samples of a metric."""

    samples: list[Sample]


class _Metric:
    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Sequence[str] = (),
        *,
        buckets: Sequence[float] = (),
        multiprocess_mode: str = "",
    ) -> None:
        self.name = name
        self.labelnames = tuple(labelnames)
        self.buckets = (*buckets, float("inf"))
        self.value = 0.0
        self.observed = [0] * len(self.buckets)
        self._children: dict[tuple[str, ...], _Metric] = {}

    def labels(self, *values: str) -> _Metric:
        """The metric for these label values."""
        with _counting:
            if values not in self._children:
                child = type(self)(self.name, "", buckets=self.buckets[:-1])
                self._children[values] = child
            return self._children[values]

    def inc(self, amount: float = 1) -> None:
        with _counting:
            self.value += amount

    def set(self, value: float) -> None:
        self.value = float(value)

    def set_to_current_time(self) -> None:
        self.set(time.time())

    def observe(self, amount: float) -> None:
        place = next(number for number, bound in enumerate(self.buckets) if amount <= bound)
        with _counting:
            self.observed[place] += 1
            self.value += amount

    @contextmanager
    def time(self) -> Iterator[None]:
        """Observe how long the block takes, in seconds."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - begun)

    def collect(self) -> list[Family]:
        children = list(self._children.items()) if self.labelnames else [((), self)]
        samples = [
            sample
            for values, child in children
            for sample in child._samples(dict(zip(self.labelnames, values, strict=True)))
        ]
        return [Family(samples)]

    def _samples(self, labels: dict[str, str]) -> list[Sample]:
        return [Sample(self.name, labels, self.value)]


class Counter(_Metric):
    def _samples(self, labels: dict[str, str]) -> list[Sample]:
        return [Sample(f"{self.name}_total", labels, self.value)]


class Gauge(_Metric):
    pass


class Histogram(_Metric):
    def _samples(self, labels: dict[str, str]) -> list[Sample]:
        bounds = ["+Inf" if bound == float("inf") else repr(float(bound)) for bound in self.buckets]
        counts = [
            Sample(f"{self.name}_bucket", labels | {"le": bound}, number)
            for bound, number in zip(bounds, accumulate(self.observed), strict=True)
        ]
        return [
            *counts,
            Sample(f"{self.name}_count", labels, counts[-1].value),
            Sample(f"{self.name}_sum", labels, self.value),
        ]
