"""A part of `make run`: a process that is restarted when it exits by itself, after a pause, up to a limit."""

import contextlib
import signal
import subprocess
from abc import ABC, abstractmethod
from time import monotonic, sleep, strftime
from typing import ClassVar, Self

from pmo.processes import stop_process

STAYS_SECONDS = 10
"""A part that ran this long is not in a crash loop."""
MAX_SHORT_LIVES = 5
PATIENCE_SECONDS, CHECK_SECONDS = 5, 0.02


class DidNotStart(Exception):  # the name is the cause
    """`make run`, or a part of it, cannot run; the message says why, or where to look."""


class Part(ABC):
    """
    A part of `make run`, running while the block runs; its owner calls `check` several times a second.

    Attributes:
        farewell: the signal that ends it.
        start_limit_seconds: until it must be ready.
        slowly: what it is doing if it is not ready soon.
        meanwhile: what goes on without it, for the message that it has ended.
        back: what it does again, for the message that it was restarted.
        first_pause_seconds: before its first restart; doubled while it keeps exiting.
    """

    name: ClassVar[str]
    farewell: ClassVar[signal.Signals] = signal.SIGTERM
    start_limit_seconds: ClassVar[int] = 60
    slowly: ClassVar[str] = "starting"
    meanwhile: ClassVar[str] = ""
    back: ClassVar[str] = "runs again"
    first_pause_seconds: ClassVar[float] = 0.5

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self._short_lives = 0
        self._due: float | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Start its process, where it was if it ran before."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the process can be used."""

    def last_words(self) -> str:
        """What it said before it exited, if that is not on the terminal."""
        return ""

    def start(self) -> None:
        """
        Run it, where it was if it ran before.

        Raises:
            DidNotStart: it has exited, or is not ready in time.
        """
        self._begun = monotonic()
        self.process = self.launch()
        self._running.callback(stop_process, self.process, self.farewell)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> None:
        is_told = False
        while not self.is_ready():
            if (status := self.process.poll()) is not None:
                raise DidNotStart(f"{self.name} {how_it_ended(status)}. {self.last_words()}".rstrip())
            waited_seconds = monotonic() - self._begun
            if waited_seconds > self.start_limit_seconds:
                late = f"{self.name} is not ready after {self.start_limit_seconds} s."
                raise DidNotStart(f"{late} {self.last_words()}".rstrip())
            if waited_seconds > PATIENCE_SECONDS and not is_told:
                say(f"{self.name} is still {self.slowly} ...")
                is_told = True
            sleep(CHECK_SECONDS)

    def stop(self) -> None:
        """End it, and what is left of it."""
        self._running.close()

    def check(self) -> None:
        """
        Notice that it has exited, and restart it after its pause.

        Raises:
            DidNotStart: it keeps exiting, within seconds of its start; the message has its last words.
        """
        if self._due is None:
            status = self.process.poll()
            if status is not None:
                self._pause(how_it_ended(status), self.last_words())
        elif monotonic() >= self._due:
            self._due = None
            try:
                self.start()
            except (DidNotStart, OSError) as failure:
                self._pause("could not be started", str(failure))
            else:
                say(f"{self.name} {self.back}.")

    def _pause(self, what: str, why: str) -> None:
        self.stop()
        if monotonic() - self._begun >= STAYS_SECONDS:
            self._short_lives = 0
        self._short_lives += 1
        if self._short_lives >= MAX_SHORT_LIVES:
            raise DidNotStart(
                f"{self.name} ended {MAX_SHORT_LIVES} times, each within {STAYS_SECONDS} s of its start:"
                f" it is not started again. {why or f'The last time it {what}.'}"
            )
        pause_seconds = self.first_pause_seconds * 2 ** (self._short_lives - 1)
        self._due = monotonic() + pause_seconds
        say(f"{self.name} {what}: started again in {pause_seconds:g} s, alone. {self.meanwhile}".rstrip())


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
