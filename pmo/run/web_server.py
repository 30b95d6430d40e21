"""The web server of `make run`, restarted, alone, when it exits by itself."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pmo.environment.listener import Listener
from pmo.processes import start_process
from pmo.run.restarts import Part
from pmo.serve import server_command

ROOT = Path(__file__).resolve().parents[2]


class WebServer(Part):
    """
    The running web server; it replaces dead workers itself, and reports them.

    Args:
        address: the numeric one to listen on, in place of the listener's host.
        output: where what it writes goes, in place of this terminal.
    """

    name = "The web server"
    back = "answers again"

    def __init__(
        self, listener: Listener, address: str, environment: Mapping[str, str], output: IO[bytes] | None = None
    ) -> None:
        super().__init__()
        self._listener, self._address, self._environment, self._output = listener, address, environment, output

    def launch(self) -> subprocess.Popen[bytes]:
        command = server_command(replace(self._listener, host=self._address))
        options = {"env": self._environment, "stdout": self._output, "stderr": self._output}
        return start_process(command, farewell=self.farewell, cwd=ROOT, **options)

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(urlsplit(self._listener.url(self._address)).netloc, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            connection.getresponse()
            return True
        return False
