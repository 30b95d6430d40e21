"""What faults excuse, and what they disturb."""

from __future__ import annotations

from collections.abc import Iterable

from tests.torture.plan import MOVES, SILENCES, STOPPED, WRITE_BUDGET_MS
from tests.torture.records import Window, Write

MS = 1_000_000
DISTURBING = SILENCES | {"kill-servers", "kill-relay", "kill-redis", "drop-redis", "drop-postgres", STOPPED, *MOVES}
"""Faults that hold up the relay."""
BEGUN_BEFORE_MS = 100
"""How long before the silence the writer's first attempt may have begun."""


def was_silent(write: Write, windows: Iterable[Window]) -> bool:
    """Whether Redis was silent for as long as the writer tries to take its hold, or to release it."""
    ended = write.ended or write.started
    silences = [
        min(ended, window.ended) - max(write.started, window.begun) for window in windows if window.fault in SILENCES
    ]
    return max(silences, default=0) >= (WRITE_BUDGET_MS - BEGUN_BEFORE_MS) * MS


def was_calm(begun: int, ended: int, windows: Iterable[Window]) -> bool:
    """Whether nothing held up the relay between these two moments."""
    return not any(window.touches(begun, ended) for window in windows if window.fault in DISTURBING)
