"""`make run`'s launcher and the engines' keeper as processes, and what of them is left."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pmo.drain import draining_file
from pmo.processes import children_of
from pmo.run.embedded import Endpoints
from tests.servers import ROOT, free_port

OURS = (
    "DATABASE_",
    "REDIS_",
    "DATA_DIR",
    "ENVIRONMENT",
    "HOST",
    "PORT",
    "WORKERS",
    "LOG_",
    "DJANGO_",
    "PYTEST_",
    "CORS_",
    "SIGN_ON_",
)


def bare_environment(**variables: str) -> dict[str, str]:
    """This process's environment without the variables that configure the platform."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | variables


class Launched:
    """A running `python -m pmo.run.launch`."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = ""
        draining_file(self.port).touch()  # as a server that was killed left it
        chosen = {"DATA_DIR": str(directory), "PORT": str(self.port), "WORKERS": "1"}
        # A shell that starts the tests in the background has them, and us, ignore Ctrl-C.
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "pmo.run.launch"],
            cwd=ROOT,
            env=bare_environment(**(chosen | variables)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_until_serving(self) -> None:
        self.wait_until_said("  Log")

    def wait_until_said(self, words: str) -> None:
        """Read what it says until a line has these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if words in line:
                return
        raise AssertionError(f"the launcher ended with status {self.process.wait()}:\n{self.output}")

    def child(self, module: str) -> int:
        """The id of the process it started to run a module."""
        (found,) = (
            pid
            for pid in children_of(self.process.pid)
            if os.fsencode(module) in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        return found

    def send(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def end(self) -> int:
        """Wait until it, and all that writes to its terminal, have ended; returns its status."""
        self.output += self.process.communicate(timeout=30)[0]
        return self.process.returncode


@contextlib.contextmanager
def launched(directory: Path, **variables: str) -> Iterator[Launched]:
    """Run the launcher on `directory` while the block runs; it serves when the block begins."""
    launch = Launched(directory, **variables)
    try:
        launch.wait_until_serving()
        yield launch
    finally:
        draining_file(launch.port).unlink(missing_ok=True)
        if launch.process.poll() is None:
            launch.send(signal.SIGTERM)
            launch.end()


@contextlib.contextmanager
def keeper(
    directory: Path, *engines: str, port: int | None = None, pause_seconds: float = 5, stderr: IO[bytes] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Endpoints]]:
    """Run `python -m pmo.run.embedded` on `directory` while the block runs, on any port for Valkey if none is given."""
    command = [sys.executable, "-m", "pmo.run.embedded", str(directory), *engines, "--port", str(port or free_port())]
    command += ["--pause", str(pause_seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, env=bare_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            announced = process.stdout.readline()
            assert announced, f"the keeper ended with status {process.wait()}"
            yield process, Endpoints.parse(announced)
        finally:
            process.stdin.close()
            process.wait(timeout=20)


def processes_of(mark: Path | str) -> list[str]:
    """What runs on a directory, for example: it stands in their environment or command line."""
    mark = os.fsencode(mark)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append(f"{process.name} {(process / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
    return found


def wait_until_nothing_runs_on(directory: Path, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while left := processes_of(directory):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def permissions_of(file: Path) -> str:
    return stat.filemode(file.stat().st_mode)
