"""Restarts of a part of `make run` that exited by itself: after a pause, and only so often."""

from __future__ import annotations

import signal
from time import monotonic, strftime

STAYS_SECONDS = 10
"""A part that ran this long is not in a crash loop."""
MAX_SHORT_LIVES = 5


class EndsAgainAndAgain(Exception):  # the name is the cause
    """It exited so often within seconds of its start that another restart would change nothing."""


class Restarts:
    """
    The restarts of one part.

    Args:
        first_pause_seconds: before the first restart; doubled while it keeps exiting.
    """

    def __init__(self, name: str, *, first_pause_seconds: float = 0.5) -> None:
        self.name, self._first_pause_seconds = name, first_pause_seconds
        self._short_lives = 0
        self.began()

    def began(self) -> None:
        """Note that it has just started."""
        self._begun = monotonic()

    def ended(self, why: str) -> float:
        """
        Seconds to wait before the next restart.

        Raises:
            EndsAgainAndAgain: it is given up; the message includes `why` it exited last.
        """
        if monotonic() - self._begun >= STAYS_SECONDS:
            self._short_lives = 0
        self._short_lives += 1
        if self._short_lives >= MAX_SHORT_LIVES:
            raise EndsAgainAndAgain(
                f"{self.name} ended {MAX_SHORT_LIVES} times, each within {STAYS_SECONDS} s of its start:"
                f" it is not started again. {why}"
            )
        return float(self._first_pause_seconds * 2 ** (self._short_lives - 1))


def how_it_ended(status: int) -> str:
    """Describe a `Popen.returncode`: `was killed (SIGKILL)`, `ended with status 1`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed ({signal.Signals(-status).name})"
    except ValueError:
        return f"was killed (signal {-status})"


def say(line: str) -> None:
    """Print one line that stands out from the log on the terminal."""
    from rich.console import Console  # rarely needed

    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"{strftime('%H:%M:%S')} {line}", style="bold yellow", markup=False
    )
