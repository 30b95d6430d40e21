"""Restarts an engine, alone, when it exits by itself: on the same port or socket, with the same data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from pmo.run.engines.engine import Engine, EngineFailed
from pmo.run.restarts import Restarts, how_it_ended, say


class KeptEngine:
    """
    One engine, running while `stack` is open; its owner calls `check` several times a second.

    Args:
        start: runs it, where it was if it gets an `address`.
        meanwhile: what goes on without it, for the message that it has ended.
        pause_seconds: the pause before the first restart.
    """

    def __init__(
        self,
        stack: contextlib.ExitStack,
        start: Callable[..., AbstractContextManager[Engine]],
        meanwhile: str,
        pause_seconds: float,
    ) -> None:
        self._start, self._meanwhile = start, meanwhile
        self._running = stack.enter_context(contextlib.ExitStack())
        self.engine = self._running.enter_context(start())
        self._restarts = Restarts(self.engine.name, first_pause_seconds=pause_seconds)
        self._due: float | None = None

    def check(self) -> None:
        """
        Notice that it has exited, and restart it after its pause.

        Raises:
            EndsAgainAndAgain: it keeps exiting; the message quotes the end of its log.
        """
        if self._due is None:
            status = self.engine.process.poll()
            if status is not None:
                self._pause(how_it_ended(status), self.engine.end_of_log())
        elif time.monotonic() >= self._due:
            self._due = None
            try:
                self.engine = self._running.enter_context(self._start(address=self.engine.address))
            except (EngineFailed, OSError) as failure:
                self._pause("could not be started", str(failure))
            else:
                say(f"{self.engine.name} runs again.")
            self._restarts.began()

    def _pause(self, what: str, why: str) -> None:
        self._running.close()  # also ends its leftovers
        pause_seconds = self._restarts.ended(why)
        self._due = time.monotonic() + pause_seconds
        say(f"{self.engine.name} {what}: started again in {pause_seconds:g} s, alone. {self._meanwhile}")
