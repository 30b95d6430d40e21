"""The web server of `make run`, restarted, alone, when it exits by itself."""

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import urllib3

from pmo.environment.listener import Listener
from pmo.processes import start_process
from pmo.run.restarts import Part
from pmo.serve import server_command

ROOT = Path(__file__).resolve().parents[2]


class WebServer(Part):
    """
    The running web server; it replaces dead workers itself, and reports them.

    Args:
        listener: its host is a numeric address.
        output: where what it writes goes, in place of this terminal.
    """

    name = "The web server"
    back = "answers again"

    def __init__(self, listener: Listener, environment: Mapping[str, str], output: IO[bytes] | None = None) -> None:
        super().__init__()
        self._listener, self._environment, self._output = listener, environment, output

    def launch(self) -> subprocess.Popen[bytes]:
        options = {"env": self._environment, "stdout": self._output, "stderr": self._output}
        return start_process(server_command(self._listener), farewell=self.farewell, cwd=ROOT, **options)

    def is_ready(self) -> bool:
        url, headers = f"{self._listener.url()}/healthz", {"Host": "localhost"}
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", url, headers=headers, timeout=5, retries=False, redirect=False)
            return True
        return False
