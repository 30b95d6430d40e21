"""The web server of `make run`, restarted, alone, when it exits by itself."""

from __future__ import annotations

import contextlib
import http.client
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pmo.environment.listener import Listener
from pmo.processes import children_of, start_process, stop_process
from pmo.run.restarts import DidNotStart, Part, how_it_ended, say
from pmo.serve import server_command

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_SECONDS = 60


class WebServer(Part):
    """
    The running web server; it replaces dead workers itself, and this reports it.

    Args:
        address: the numeric one to listen on, in place of the listener's host.
        output: where what it writes goes, in place of this terminal.
    Raises:
        DidNotStart: it does not answer.
    """

    def __init__(
        self, listener: Listener, address: str, environment: Mapping[str, str], output: IO[bytes] | None = None
    ) -> None:
        self._listener, self._address, self._environment, self._output = listener, address, environment, output
        super().__init__("The web server", back="answers again")
        self.restart()

    def check(self) -> None:
        super().check()
        if self.status() is None:
            self._look_at_workers()

    def status(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        stop_process(self._process, signal.SIGTERM)

    def restart(self) -> None:
        command = server_command(replace(self._listener, host=self._address))
        self._process = start_process(
            command,
            farewell=signal.SIGTERM,
            cwd=ROOT,
            env=self._environment,
            stdout=self._output,
            stderr=self._output,
        )
        deadline = time.monotonic() + START_LIMIT_SECONDS
        try:
            while not self._answers():
                if (status := self._process.poll()) is not None:
                    raise DidNotStart(f"The web server {how_it_ended(status)}.")
                if time.monotonic() > deadline:
                    raise DidNotStart(f"The web server did not answer within {START_LIMIT_SECONDS} s.")
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise
        self._workers = children_of(self._process.pid)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(urlsplit(self._listener.url(self._address)).netloc, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            connection.getresponse()
            return True
        return False

    def _look_at_workers(self) -> None:
        workers = children_of(self._process.pid)
        ended = self._workers - workers
        if ended and len(workers) < len(self._workers):
            return  # the next check finds the replacement
        if ended:
            say(f"A web worker ended (process {', '.join(map(str, sorted(ended)))}): it was replaced, alone.")
        self._workers = workers
