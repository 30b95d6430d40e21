"""Processes forked from one that has imported the libraries: that takes longer than all the rest of a start."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import forked

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload([forked.__name__])


class ForkedProcess:
    """
    What `start_process` would start, if the command is one of Python; of `subprocess.Popen`, what is used.

    Args:
        command: as for Popen: a script's path is one in `tree`.
        tree: whose modules come first.
        directory: where it works.
        out: what it writes to standard output is appended there.
        err: the same for standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        tree: Path,
        environment: Mapping[str, str],
        directory: Path,
        out: Path,
        err: Path,
    ) -> None:
        self.args = command
        self._process = forks.Process(
            target=forked.run_apart, args=(command, tree, dict(environment), directory, (out, err))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)
