"""
Stand-ins for prometheus-client's metrics where it is not installed. Nothing scrapes them, but the totals that processes
report to Redis (`counting`) come from their counters and histogram buckets; gauges are not reported and do nothing.
"""

import collections
import copy
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from types import SimpleNamespace
from typing import Self

_counting = threading.Lock()


def _begin() -> None:
    """Make a new lock in a forked child: a thread of its parent may have held the parent's."""
    global _counting  # noqa: PLW0603 - one lock for all metrics
    _counting = threading.Lock()


os.register_at_fork(after_in_child=_begin)


class _Metric:
    _suffix: str

    def __init__(self, name: str, _documentation: str, labelnames: Sequence[str] = ()) -> None:
        self._name = f"{name}_{self._suffix}"
        self._labelnames = labelnames
        self._values: tuple[str, ...] = ()
        self._numbers: collections.Counter[tuple[str, ...]] = collections.Counter()

    def labels(self, *values: str) -> Self:
        """The metric for these label values; it shares the numbers."""
        child = copy.copy(self)
        child._values = values
        return child

    def collect(self) -> list[SimpleNamespace]:
        """All samples, under prometheus-client's names."""
        with _counting:
            numbers = self._numbers.copy()
        samples = [
            SimpleNamespace(name=self._name, labels=dict(zip(self._labelnames, values, strict=True)), value=number)
            for values, number in numbers.items()
        ]
        return [SimpleNamespace(samples=samples)]


class Counter(_Metric):
    _suffix = "total"

    def inc(self, amount: int = 1) -> None:
        with _counting:
            self._numbers[self._values] += amount


class Histogram(_Metric):
    _suffix = "bucket"

    def __init__(
        self, name: str, documentation: str, labelnames: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> None:
        super().__init__(name, documentation, (*labelnames, "le"))
        self._bounds = {float(bound): repr(float(bound)) for bound in buckets} | {inf: "+Inf"}

    def observe(self, amount: float) -> None:
        with _counting:
            self._numbers.update((*self._values, name) for bound, name in self._bounds.items() if amount <= bound)

    @contextmanager
    def time(self) -> Iterator[None]:
        """Observe how long the block takes, in seconds."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - begun)


class Gauge:
    def __init__(self, _name: str, _documentation: str, *, multiprocess_mode: str) -> None:
        pass

    def set(self, value: float) -> None:
        pass

    def set_to_current_time(self) -> None:
        pass
