"""An engine of `make run`, restarted where it was: on the same port or socket, with the same data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from pmo.run.engines.engine import Engine
from pmo.run.restarts import Part


class KeptEngine(Part):
    """
    One engine, running while `stack` is open.

    Args:
        start: runs it, where it was if it gets an `address`.
    """

    def __init__(
        self,
        stack: contextlib.ExitStack,
        start: Callable[..., AbstractContextManager[Engine]],
        meanwhile: str,
        pause_seconds: float,
    ) -> None:
        self._start = start
        self._running = stack.enter_context(contextlib.ExitStack())
        self.engine = self._running.enter_context(start())
        super().__init__(self.engine.name, first_pause_seconds=pause_seconds, meanwhile=meanwhile)

    def status(self) -> int | None:
        return self.engine.process.poll()

    def last_words(self) -> str:
        return self.engine.end_of_log()

    def restart(self) -> None:
        self.engine = self._running.enter_context(self._start(address=self.engine.address))

    def stop(self) -> None:
        self._running.close()
