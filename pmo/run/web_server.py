"""The web server of `make run`, restarted, alone, when it exits by itself."""

from __future__ import annotations

import contextlib
import http.client
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pmo.environment.listener import Listener
from pmo.processes import children_of, start_process, stop_process
from pmo.run.restarts import Restarts, how_it_ended, say
from pmo.serve import server_command

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_SECONDS = 60


class DidNotStart(Exception):  # the name is the cause
    """The web server does not answer; the message says how it ended."""


class WebServer:
    """
    The running web server; it replaces dead workers itself, and this reports it.

    Raises:
        DidNotStart: the first time; later starts are tried again.
    """

    def __init__(self, listener: Listener, address: str, environment: Mapping[str, str]) -> None:
        self._listener, self._address, self._environment = listener, address, environment
        self._restarts = Restarts("The web server")
        self._workers: set[int] = set()
        try:
            self._start()
        except DidNotStart as failure:
            raise DidNotStart(f"The web server {failure}.") from None

    def check(self) -> None:
        """
        Raises:
            EndsAgainAndAgain: it keeps exiting.
        """
        status = self._process.poll()
        if status is None:
            self._look_at_workers()
            return
        what = how_it_ended(status)
        while True:
            self.stop()  # its workers end with it
            pause_seconds = self._restarts.ended(f"The last time it {what}.")
            say(f"The web server {what}: started again in {pause_seconds:g} s.")
            time.sleep(pause_seconds)
            self._restarts.began()
            try:
                self._start()
            except DidNotStart as failure:
                what = str(failure)
            else:
                say("The web server answers again.")
                return

    def stop(self) -> None:
        stop_process(self._process, signal.SIGTERM)

    def _start(self) -> None:
        command = server_command(replace(self._listener, host=self._address))
        self._process = start_process(command, farewell=signal.SIGTERM, cwd=ROOT, env=self._environment)
        deadline = time.monotonic() + START_LIMIT_SECONDS
        try:
            while not self._answers():
                if (status := self._process.poll()) is not None:
                    raise DidNotStart(how_it_ended(status))
                if time.monotonic() > deadline:
                    raise DidNotStart(f"did not answer within {START_LIMIT_SECONDS} s")
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
