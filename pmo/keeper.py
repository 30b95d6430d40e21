"""Has the embedded engines run and end with this process, or joins those that another process has on the same data."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pmo.embedded import EXIT_IN_USE, Endpoints
from pmo.processes import start_process, stop_process

ROOT = Path(__file__).resolve().parent.parent
JOIN_LIMIT_SECONDS = 60
JOIN_CHECK_SECONDS = 0.2
STOP_LIMIT_SECONDS = 30


class EnginesUnavailable(Exception):  # the name is the cause
    """The engines cannot be had; the message says why."""


@dataclass(frozen=True)
class Keeper:
    """Engines that run: ours if there is a process, else another's."""

    endpoints: Endpoints
    process: subprocess.Popen[bytes] | None


@contextlib.contextmanager
def kept_engines(directory: Path, engines: Collection[str], port: int) -> Iterator[Keeper]:
    """
    Have `engines` run on the data under `directory` while the block runs.

    Args:
        engines: of `pmo.embedded.ENGINES`.
        port: the port that Valkey gets if it is free.
    Raises:
        EnginesUnavailable: they do not start, or another process runs only some of them there.
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
    """As `kept_engines`; None if another process runs engines on `directory`."""
    command = [sys.executable, "-m", "pmo.embedded", str(directory), *engines, "--port", str(port)]
    process = start_process(command, farewell=signal.SIGTERM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    with process:
        assert process.stdout is not None  # noqa: S101 # it is a pipe
        try:
            if announced := process.stdout.readline():
                yield Keeper(Endpoints.parse(announced), process)
            elif process.wait() == EXIT_IN_USE:
                yield None
            else:
                raise EnginesUnavailable("The embedded engines did not start.")
        finally:
            stop_process(process, signal.SIGTERM, STOP_LIMIT_SECONDS)
