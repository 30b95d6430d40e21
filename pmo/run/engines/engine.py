"""What the engines share: a process with a log that must become ready and must not exit by itself."""

import contextlib
import importlib.util
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pmo.processes import LIMIT_SECONDS, start_process
from pmo.run.restarts import DidNotStart, Part


class Engine(Part):
    """An engine, restarted where it was: on the same port or socket, with the same data."""

    start_limit_seconds = 120  # a crashed database may have to replay its log
    slowly = "reading its data, as it does after a crash"
    first_pause_seconds = 5.0  # long enough to see how the platform copes without it

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def run(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command that writes to the log; `options` are as for `subprocess.Popen`."""
        with self.log.open("ab") as log:
            return start_process(
                command, farewell=self.farewell, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options
            )

    def last_words(self) -> str:
        """The last lines of its log, preceded by the log's path."""
        lines = "\n".join(f"    {line}" for line in self.log.read_text(errors="replace").splitlines()[-5:])
        return f"The end of {self.log}:\n{lines}"


def end_leftover(pid_file: Path, directory: Path, farewell: signal.Signals) -> None:
    """
    End the process that a killed run left behind in `directory`, if there is one.

    Args:
        pid_file: its first line is the process's id.
        directory: its working directory, which tells it from an unrelated process that reuses its id.
    """
    import psutil  # the image has no engines, and does not have it

    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):  # no such file, no such process
        leftover = psutil.Process(int(pid_file.read_text().split()[0]))
        if directory.samefile(leftover.cwd()):
            leftover.send_signal(farewell)
            with contextlib.suppress(psutil.TimeoutExpired):
                leftover.wait(LIMIT_SECONDS)
            leftover.kill()
            leftover.wait(LIMIT_SECONDS)


def package_folder(package: str, instead: str) -> Path:
    """
    The folder of a wheel's files. It is not imported: that is slow, and one of them warns about foreign folders.

    Args:
        instead: the variable that makes the engine unnecessary, for the error message.
    Raises:
        DidNotStart: the wheel is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DidNotStart(f"The package {package} is not installed: install requirements.txt, or set {instead}.")
    return Path(spec.submodule_search_locations[0])
