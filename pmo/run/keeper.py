"""Runs the embedded engines as long as this process, or joins those another process runs on the same data."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pmo.processes import start_process, stop_process
from pmo.run.embedded import EXIT_IN_USE, Endpoints

ROOT = Path(__file__).resolve().parents[2]
JOIN_LIMIT_SECONDS = 60
JOIN_CHECK_SECONDS = 0.2
STOP_LIMIT_SECONDS = 30


class EnginesUnavailable(Exception):  # the name is the cause
    """The engines are not available; the message says why."""


@dataclass
class Keeper:
    """Running engines: ours if `process` is set, else another process's."""

    endpoints: Endpoints
    process: subprocess.Popen[bytes] | None
    command: Sequence[str] = ()

    def start_again(self) -> None:
        """
        Restart the engines after the process that kept them was killed.

        Raises:
            EnginesUnavailable: they do not start, or not at the same endpoints.
        """
        self.close()
        self.process = _start(self.command)
        endpoints = _read_endpoints(self.process)
        if endpoints != self.endpoints:
            raise EnginesUnavailable("The embedded engines do not start where they were: start everything again.")

    def close(self) -> None:
        if self.process is not None:
            stop_process(self.process, signal.SIGTERM, STOP_LIMIT_SECONDS)
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


@contextlib.contextmanager
def kept_engines(directory: Path, engines: Collection[str], port: int) -> Iterator[Keeper]:
    """
    Keep `engines` running on the data under `directory` while the block runs.

    Args:
        engines: of `pmo.run.embedded.ENGINES`.
        port: the preferred port for Valkey.
    Raises:
        EnginesUnavailable: they do not start, or another process there runs only some of them.
    """
    deadline = time.monotonic() + JOIN_LIMIT_SECONDS
    while time.monotonic() < deadline:
        with _own_engines(directory, engines, port) as keeper:
            if keeper:
                yield keeper
                return
        endpoints = Endpoints.of(directory)
        if endpoints.running:
            if not set(engines) <= set(endpoints.running):
                raise EnginesUnavailable(
                    f"Another process uses {directory} without {' or '.join(set(engines) - set(endpoints.running))}: "
                    "give it the same DATABASE_URL and REDIS_HOST, or set another DATA_DIR."
                )
            yield Keeper(endpoints, None)
            return
        time.sleep(JOIN_CHECK_SECONDS)
    raise EnginesUnavailable(f"Another process holds {directory}, but its engines do not get ready.")


@contextlib.contextmanager
def _own_engines(directory: Path, engines: Collection[str], port: int) -> Iterator[Keeper | None]:
    """Like `kept_engines`; None if another process runs engines on `directory`."""
    command = [sys.executable, "-m", "pmo.run.embedded", str(directory), *engines, "--port", str(port)]
    process = _start(command)
    keeper = Keeper(Endpoints(), process, command)
    try:
        endpoints = _read_endpoints(process)
        if endpoints is None and process.wait() == EXIT_IN_USE:
            yield None
        elif endpoints is None:
            raise EnginesUnavailable("The embedded engines did not start.")
        else:
            keeper.endpoints = endpoints
            keeper.command = [*command[:-1], str(endpoints.valkey.port)]
            yield keeper
    finally:
        keeper.close()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return start_process(command, farewell=signal.SIGTERM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)


def _read_endpoints(process: subprocess.Popen[bytes]) -> Endpoints | None:
    """The endpoints it announces when its engines are ready; None if it exits first."""
    assert process.stdout is not None  # noqa: S101 # it is a pipe
    announced = process.stdout.readline()
    return Endpoints.parse(announced) if announced else None
