"""One running server of a contender, as the measures see it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.benchmarks.contenders import Contender
from tests.benchmarks.load.closed_loop import run_closed_loop
from tests.benchmarks.load.generators import Generator, Load
from tests.benchmarks.load.wire import Reads
from tests.stage import Answer, StageFailed, ask

CONNECTIONS, WARMING_CONNECTIONS = 16, 4
GROUP_FIELD, USER_TICKS_FIELD, RESIDENT_FIELD = 2, 11, 21
"""Behind the program's name in /proc/PID/stat, proc(5)."""


class Server:
    """One contender's server: a group of processes, and the port they listen on."""

    def __init__(self, contender: Contender, port: int, process: subprocess.Popen[bytes]) -> None:
        self.contender, self.port, self.process = contender, port, process
        self.has_settled = False

    def ask(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        return ask(self.port, method, path, token, body)

    def load(self, generator: Generator, reads: Reads, seconds: float, connections: int = CONNECTIONS) -> Load:
        """
        Have it read from for so long, on each connection again as soon as there is an answer.

        Raises:
            StageFailed: an answer was an error, or there was none; nothing was worth timing then.
        """
        load = generator.run(self.port, reads, seconds, connections)
        if load.errors or not load.requests:
            raise StageFailed(f"{self.contender.name}: {load.errors} errors, {load.requests} answers")
        return load

    def warm(self, reads: Reads) -> None:
        """
        Have every token and every code read once.

        Raises:
            StageFailed: an answer was an error; nothing is worth timing then.
        """
        ran = run_closed_loop(self.port, [reads.each_once(self.port)] * WARMING_CONNECTIONS)
        if ran.errors:
            raise StageFailed(f"{self.contender.name}: {ran.errors} of {len(ran.answered)} answers were errors")

    @contextlib.contextmanager
    def loaded(self, generator: Generator, reads: Reads, seconds: float, connections: int) -> Iterator[Future[Load]]:
        """Have it read from while the block runs; the load is there when both have ended."""
        with ThreadPoolExecutor(1) as beside:
            yield beside.submit(self.load, generator, reads, seconds, connections)

    def processor_seconds(self) -> float:
        """Of all its processes so far (Linux; 0 elsewhere)."""
        ticks = sum(int(stat[USER_TICKS_FIELD]) + int(stat[USER_TICKS_FIELD + 1]) for stat in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """The memory that all its processes have now, pages they share counted for each (Linux; 0 elsewhere)."""
        return sum(int(stat[RESIDENT_FIELD]) for stat in self._processes()) * os.sysconf("SC_PAGE_SIZE")

    def _processes(self) -> Iterator[list[str]]:
        """The kernel's figures of each."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[GROUP_FIELD]) == self.process.pid:
                    yield fields
