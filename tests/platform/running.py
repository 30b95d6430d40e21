"""`make run`'s launcher as a process, and what of it is left."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from pmo.drain import draining_file
from tests.servers import ROOT, free_port
from tests.waiting import wait_for

KEPT = ("PATH", "HOME", "USER", "LANG", "LC_", "TMP", "PYTHON", "CACHE_", "REQUEST_")
"""What a shell sets, and the patience that tests have with a busy machine."""


def bare_environment(**variables: str) -> dict[str, str]:
    """This process's environment, but for most variables that configure the platform."""
    return {name: value for name, value in os.environ.items() if name.startswith(KEPT)} | variables


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

    def wait_until_said(self, *words: str) -> None:
        """Read what it says until it has said all of these."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if all(each in self.output for each in words):
                return
        raise AssertionError(f"the launcher ended with status {self.process.wait()}:\n{self.output}")

    def web_server(self) -> int:
        """The process id of its web server."""
        (found,) = (each for each in psutil.Process(self.process.pid).children() if "granian" in each.cmdline())
        return int(found.pid)

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


def processes_of(mark: Path | str) -> list[str]:
    """What runs on a directory, for example: it stands in their environment, command line or working directory."""
    running = psutil.process_iter(["environ", "cmdline", "cwd"])
    return [f"{each.pid} {each.info['cmdline']}" for each in running if str(mark) in str(each.info)]


def wait_until_nothing_runs_on(directory: Path) -> None:
    wait_for(lambda: not processes_of(directory))


def permissions_of(file: Path) -> str:
    return stat.filemode(file.stat().st_mode)
