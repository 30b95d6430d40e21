"""What the engines share: a process with a log that must become ready and must not exit by itself."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pmo.run.restarts import DidNotStart

START_LIMIT_SECONDS = 120  # a crashed database may have to replay its log
PATIENCE_SECONDS = 5


class EngineFailed(DidNotStart):  # the name is the cause
    """An engine is not available; the message says why, or where to look."""


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    address: str

    def check(self) -> None:
        """
        Raises:
            EngineFailed: the engine has exited; the message quotes the end of its log.
        """
        if (status := self.process.poll()) is not None:
            raise EngineFailed(f"{self.name} ended with status {status}. {self.end_of_log()}")

    def end_of_log(self) -> str:
        """The last lines of its log, preceded by the log's path."""
        lines = "\n".join(f"    {line}" for line in self.log.read_text(errors="replace").splitlines()[-5:])
        return f"The end of {self.log}:\n{lines}"

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """
        Raises:
            EngineFailed: the engine has exited, or is not ready after `START_LIMIT_SECONDS`.
        """
        begun = time.monotonic()
        told = False
        while not ready():
            self.check()
            waited = time.monotonic() - begun
            if waited > START_LIMIT_SECONDS:
                raise EngineFailed(f"{self.name} is not ready after {START_LIMIT_SECONDS} s: see {self.log}")
            if waited > PATIENCE_SECONDS and not told:
                sys.stderr.write(f"{self.name} is still reading its data, as it does after a crash ...\n")
                told = True
            time.sleep(0.02)


def package_folder(package: str, instead: str) -> Path:
    """
    The folder of a wheel's files. It is not imported: that is slow, and one of them warns about foreign folders.

    Args:
        instead: the variable that makes the engine unnecessary, for the error message.
    Raises:
        EngineFailed: the wheel is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineFailed(f"The package {package} is not installed: install requirements.txt, or set {instead}.")
    return Path(spec.submodule_search_locations[0])
