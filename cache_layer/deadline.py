"""
One deadline for everything this thread waits for: Redis, the database and other processes.

    with working_within(2_000):
        ...             every wait in here takes at most what is left of the two seconds

A write must have its holds by half of that time and have committed by three quarters, so that a quarter is left for the
release, which must not be cut short. Outside such a block, in commands and in the relay, there is no limit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cache_layer import clock

HOLD_SHARE, COMMIT_SHARE = 0.5, 0.75
"""The share of its time within which a write must have taken its holds, and have committed."""


class _Budget:
    """The time for one piece of work; `ends_ns` changes as a write goes through its phases."""

    def __init__(self, budget_ms: float) -> None:
        self.begin(budget_ms)

    def begin(self, budget_ms: float) -> None:
        self.begun_ns = clock.monotonic_ns()
        self.budget_ns = int(budget_ms * 1e6)
        self.ends_ns = self.share_ns(1)

    def share_ns(self, share: float) -> int:
        return self.begun_ns + int(self.budget_ns * share)


_budget: ContextVar[_Budget | None] = ContextVar("cache_layer_deadline", default=None)


def _own_or_throwaway() -> _Budget:
    """The deadline of this thread's current work, to be changed; if there is none, one that nobody looks at."""
    return _budget.get() or _Budget(0)


@contextmanager
def working_within(budget_ms: float | None) -> Iterator[None]:
    """Give this block a deadline `budget_ms` from now, or none for None; a nested block has its own."""
    token = _budget.set(None if budget_ms is None else _Budget(budget_ms))
    try:
        yield
    finally:
        _budget.reset(token)


def restart(budget_ms: float) -> None:
    """Restart the deadline at `budget_ms` from now; does nothing if there is none."""
    _own_or_throwaway().begin(budget_ms)


@contextmanager
def paused() -> Iterator[None]:
    """Stop the clock while this block computes: the deadline moves by the time it takes."""
    begun_ns = clock.monotonic_ns()
    try:
        yield
    finally:
        took_ns = clock.monotonic_ns() - begun_ns
        budget = _own_or_throwaway()
        budget.begun_ns += took_ns
        budget.ends_ns += took_ns


def left_seconds(at_most: float) -> float:
    """How long to wait for something, `at_most` seconds; 0 or less when the deadline has passed."""
    budget = _budget.get()
    return at_most if budget is None else min(at_most, (budget.ends_ns - clock.monotonic_ns()) / 1e9)


def left_for_holds_seconds(at_most: float) -> float:
    """How long a writer may keep trying to take its holds, `at_most` seconds."""
    budget = _budget.get()
    return at_most if budget is None else min(at_most, (budget.share_ns(HOLD_SHARE) - clock.monotonic_ns()) / 1e9)


def tighten_to_commit_deadline() -> None:
    """Shorten the deadline of a write that now holds keys, so that time is left for its release."""
    budget = _own_or_throwaway()
    budget.ends_ns = budget.share_ns(COMMIT_SHARE)


@contextmanager
def releasing() -> Iterator[None]:
    """Give the release all the time that is left, and at least a quarter of the budget if the commit came late."""
    budget = _own_or_throwaway()
    quarter_ns = int(budget.budget_ns * (1 - COMMIT_SHARE))
    budget.ends_ns = max(budget.share_ns(1), clock.monotonic_ns() + quarter_ns)
    try:
        yield
    finally:
        budget.ends_ns = budget.share_ns(1)
