"""
Until when the work of this thread must be done: one deadline for all its waiting, on Redis, others and the database.

    with working_within(2_000):
        ...             every wait below takes what is left of the two seconds, and no more

A write must have its holds by half of that time and have committed by three quarters, so that the release, which must
not be cut short, always has a quarter. Outside of such a block, in commands and in the relay, nothing is limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic_ns

HOLD_SHARE, COMMIT_SHARE = 0.5, 0.75
"""By which part of its time a write must have taken its holds, and have committed."""


class _Budget:
    """The time of one piece of work; `ends_ns` moves on as a write goes through its phases."""

    def __init__(self, budget_ms: float) -> None:
        self.begin(budget_ms)

    def begin(self, budget_ms: float) -> None:
        self.begun_ns = monotonic_ns()
        self.budget_ns = int(budget_ms * 1e6)
        self.ends_ns = self.share_ns(1)

    def share_ns(self, share: float) -> int:
        return self.begun_ns + int(self.budget_ns * share)


_budget: ContextVar[_Budget | None] = ContextVar("cache_layer_deadline", default=None)


@contextmanager
def working_within(budget_ms: float) -> Iterator[None]:
    """Have what is done in this block end `budget_ms` from now; a block inside another has a time of its own."""
    token = _budget.set(_Budget(budget_ms))
    try:
        yield
    finally:
        _budget.reset(token)


def take_longer(budget_ms: float) -> None:
    """This work turned out to be of a kind that has `budget_ms` from now; nothing where nothing is limited."""
    budget = _budget.get()
    if budget is not None:
        budget.begin(budget_ms)


@contextmanager
def computing() -> Iterator[None]:
    """What this block does is computing, not waiting: the deadline moves on by the time it takes."""
    begun_ns = monotonic_ns()
    try:
        yield
    finally:
        budget = _budget.get()
        if budget is not None:
            took_ns = monotonic_ns() - begun_ns
            budget.begun_ns += took_ns
            budget.ends_ns += took_ns


@contextmanager
def unlimited() -> Iterator[None]:
    """What this block does must not fail for want of time."""
    token = _budget.set(None)
    try:
        yield
    finally:
        _budget.reset(token)


def forget_deadline() -> None:
    """What this context goes on to do is not part of the work that began it."""
    _budget.set(None)


def left_seconds(at_most: float) -> float:
    """How long to wait for something that may take `at_most`; 0 or less when the time is over."""
    budget = _budget.get()
    return at_most if budget is None else min(at_most, (budget.ends_ns - monotonic_ns()) / 1e9)


def left_for_holds_seconds(at_most: float) -> float:
    """How long a writer may go on trying to take its holds."""
    budget = _budget.get()
    return at_most if budget is None else min(at_most, (budget.share_ns(HOLD_SHARE) - monotonic_ns()) / 1e9)


def tighten_to_commit_deadline() -> None:
    """From here on, work is a write that holds keys: it must commit early enough for its release."""
    budget = _budget.get()
    if budget is not None:
        budget.ends_ns = budget.share_ns(COMMIT_SHARE)


@contextmanager
def releasing() -> Iterator[None]:
    """The release has all the time that is left, and a quarter of it in any case: it begins late if a commit does."""
    budget = _budget.get()
    if budget is None:
        yield
        return
    quarter_ns = int(budget.budget_ns * (1 - COMMIT_SHARE))
    budget.ends_ns = max(budget.share_ns(1), monotonic_ns() + quarter_ns)
    try:
        yield
    finally:
        budget.ends_ns = budget.share_ns(1)
