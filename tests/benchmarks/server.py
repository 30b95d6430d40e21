"""One running server of a contender, as the measures see it."""

import contextlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psutil

from tests.benchmarks.contenders import Contender
from tests.benchmarks.load.generators import Generator
from tests.benchmarks.load.loops import Load, run_closed_loop
from tests.benchmarks.load.wire import Reads
from tests.stage import Answer, StageFailed, ask

CONNECTIONS, WARMING_CONNECTIONS = 16, 4


class Server:
    """One contender's server: a group of processes, and the port they listen on."""

    def __init__(self, contender: Contender, port: int, process: subprocess.Popen[bytes], generator: Generator) -> None:
        self.contender, self.port, self.process, self.generator = contender, port, process, generator
        self.has_settled = False

    def ask(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        return ask(self.port, method, path, token, body)

    def load(self, reads: Reads, seconds: float, connections: int = CONNECTIONS) -> Load:
        """
        Have it read from for so long, on each connection again as soon as there is an answer.

        Raises:
            StageFailed: an answer was an error, or there was none; nothing was worth timing then.
        """
        load = self.generator.run(self.port, reads, seconds, connections)
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
            raise StageFailed(f"{self.contender.name}: {ran.errors} of {ran.requests} answers were errors")

    @contextlib.contextmanager
    def loaded(self, reads: Reads, seconds: float, connections: int) -> Iterator[Future[Load]]:
        """Have it read from while the block runs; the load is there when both have ended."""
        with ThreadPoolExecutor(1) as beside:
            yield beside.submit(self.load, reads, seconds, connections)

    def processor_seconds(self) -> float:
        """Of all its processes so far."""
        return sum(sum(each.cpu_times()[:2]) for each in self._processes())

    def resident_bytes(self) -> int:
        """The memory that all its processes have now, pages they share counted for each."""
        return sum(each.memory_info().rss for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]
