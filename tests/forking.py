"""Processes forked from one that has imported the libraries: that takes longer than all the rest of a start."""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import forked

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload([forked.__name__])


class ForkedProcess(forks.Process):
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
        super().__init__(target=forked.run_apart, args=(command, tree, dict(environment), directory, (out, err)))
        self.args = command
        self.start()

    def poll(self) -> int | None:
        return self.exitcode

    returncode = property(poll)

    def wait(self, timeout: float | None = None) -> int:
        self.join(timeout)
        if self.exitcode is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return self.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.exitcode is None:
            os.kill(self.pid, number)
