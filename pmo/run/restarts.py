"""When a part of `make run` that ended by itself is started again: after a pause, and not for ever."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

STAYS_SECONDS = 10
"""A part that ran for as long is not in a loop."""
MAX_SHORT_LIVES = 5


class EndsAgainAndAgain(Exception):  # the name is the cause
    """It ended as often within seconds of its start that another start would change nothing."""


class Restarts:
    """
    Of one part.

    Args:
        first_pause_seconds: before it is started again the first time; doubled while it does not stay.
    """

    def __init__(
        self, name: str, *, first_pause_seconds: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self._first_pause_seconds, self._clock = name, first_pause_seconds, clock
        self._short_lives = 0
        self._begun = clock()

    def began(self) -> None:
        """It was started just now."""
        self._begun = self._clock()

    def ended(self, why: str) -> float:
        """
        How many seconds to wait before it is started again.

        Raises:
            EndsAgainAndAgain: it is given up; the message has `why` it ended the last time.
        """
        if self._clock() - self._begun >= STAYS_SECONDS:
            self._short_lives = 0
        self._short_lives += 1
        if self._short_lives >= MAX_SHORT_LIVES:
            raise EndsAgainAndAgain(
                f"{self.name} ended {MAX_SHORT_LIVES} times, each within {STAYS_SECONDS} s of its start:"
                f" it is not started again. {why}"
            )
        return float(self._first_pause_seconds * 2 ** (self._short_lives - 1))


def how_it_ended(status: int) -> str:
    """What `Popen.returncode` means: `was killed (SIGKILL)`, `ended with status 1`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed ({signal.Signals(-status).name})"
    except ValueError:
        return f"was killed (signal {-status})"


def say(line: str) -> None:
    """One line on the terminal, to be seen among those of the log."""
    from rich.console import Console  # seldom needed

    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"{time.strftime('%H:%M:%S')} {line}", style="bold yellow", markup=False
    )
