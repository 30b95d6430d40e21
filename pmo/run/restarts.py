"""Restarts of a part of `make run` that exited by itself: after a pause, and only so often."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from time import monotonic, strftime

STAYS_SECONDS = 10
"""A part that ran this long is not in a crash loop."""
MAX_SHORT_LIVES = 5


class DidNotStart(Exception):  # the name is the cause
    """A part of `make run` does not run; the message says why."""


class EndsAgainAndAgain(Exception):  # the name is the cause
    """It exited so often within seconds of its start that another restart would change nothing."""


class Part(ABC):
    """
    A part of `make run`; its owner calls `check` several times a second.

    Args:
        first_pause_seconds: before the first restart; doubled while it keeps exiting.
        meanwhile: what goes on without it, for the message that it has ended.
        back: what it does again, for the message that it was restarted.
    """

    def __init__(
        self, name: str, *, first_pause_seconds: float = 0.5, meanwhile: str = "", back: str = "runs again"
    ) -> None:
        self.name, self._meanwhile, self._back = name, meanwhile, back
        self._first_pause_seconds = first_pause_seconds
        self._short_lives = 0
        self._begun = monotonic()
        self._due: float | None = None

    @abstractmethod
    def status(self) -> int | None:
        """The status of its process; None while that runs."""

    def last_words(self) -> str:
        """What it said before it exited, if that is not on the terminal."""
        return ""

    @abstractmethod
    def restart(self) -> None:
        """
        Run it where it was.

        Raises:
            DidNotStart: it does not run.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it, and what is left of it."""

    def check(self) -> None:
        """
        Notice that it has exited, and restart it after its pause.

        Raises:
            EndsAgainAndAgain: it keeps exiting; the message has its last words.
        """
        if self._due is None:
            status = self.status()
            if status is not None:
                self._pause(how_it_ended(status), self.last_words())
        elif monotonic() >= self._due:
            self._due = None
            try:
                self.restart()
            except (DidNotStart, OSError) as failure:
                self._pause("could not be started", str(failure))
            else:
                say(f"{self.name} {self._back}.")
            self._begun = monotonic()

    def _pause(self, what: str, why: str) -> None:
        self.stop()
        if monotonic() - self._begun >= STAYS_SECONDS:
            self._short_lives = 0
        self._short_lives += 1
        if self._short_lives >= MAX_SHORT_LIVES:
            raise EndsAgainAndAgain(
                f"{self.name} ended {MAX_SHORT_LIVES} times, each within {STAYS_SECONDS} s of its start:"
                f" it is not started again. {why or f'The last time it {what}.'}"
            )
        pause_seconds = self._first_pause_seconds * 2 ** (self._short_lives - 1)
        self._due = monotonic() + pause_seconds
        say(f"{self.name} {what}: started again in {pause_seconds:g} s, alone. {self._meanwhile}".rstrip())


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
