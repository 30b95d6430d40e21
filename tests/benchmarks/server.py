"""One running server of a contender, as the measures see it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders import Contender
from tests.benchmarks.load.closed_loop import run_closed_loop
from tests.benchmarks.load.wire import Answer, Reads
from tests.torture.stage import StageFailed

WARMING_CONNECTIONS = 4
GROUP_FIELD, USER_TICKS_FIELD, RESIDENT_FIELD = 2, 11, 21
"""Behind the program's name in /proc/PID/stat, proc(5)."""


class Server:
    """One contender's server: a group of processes, and the port they listen on."""

    def __init__(self, contender: Contender, port: int, process: subprocess.Popen[bytes]) -> None:
        self.contender, self.port, self.process = contender, port, process
        self.has_settled = False

    def ask(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def warm(self, reads: Reads) -> None:
        """
        Have every token and every code read once.

        Raises:
            StageFailed: an answer was an error; nothing is worth timing then.
        """
        ran = run_closed_loop(self.port, [reads.each_once(self.port)] * WARMING_CONNECTIONS)
        if ran.errors:
            raise StageFailed(f"{self.contender.name}: {ran.errors} of {len(ran.answered)} answers were errors")

    def processor_seconds(self) -> float:
        """Of all its processes so far (Linux; 0 elsewhere)."""
        ticks = sum(int(stat[USER_TICKS_FIELD]) + int(stat[USER_TICKS_FIELD + 1]) for stat in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """The memory that all its processes have now, pages they share counted for each (Linux; 0 elsewhere)."""
        return sum(int(stat[RESIDENT_FIELD]) for stat in self._processes()) * os.sysconf("SC_PAGE_SIZE")

    def is_answering(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("", "GET", "/healthz").status == 200
        return False

    def _processes(self) -> Iterator[list[str]]:
        """The kernel's figures of each."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[GROUP_FIELD]) == self.process.pid:
                    yield fields
