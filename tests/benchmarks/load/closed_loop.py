"""Requests on connections that are never idle: each sends its next as soon as it has an answer."""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.load.wire import connect, read_answer
from tests.figures import quantile


@dataclass(frozen=True)
class Load:
    """
    What a server answered.

    Attributes:
        errors: answers that were not 2xx (to wrk, 3xx are none either), and connections that broke.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def run_closed_loop(port: int, sources: Sequence[Iterator[bytes]], seconds: float = math.inf) -> Load:
    """
    Send requests until the time is over or none is left; what is under way when the time is over is not counted.

    Args:
        sources: where each connection has its requests from; several may share one.
    """
    taken_ms: list[float] = []
    errors = 0
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        sent: dict[socket.socket, float] = {}

        def send_next(connection: socket.socket, source: Iterator[bytes]) -> None:
            request = next(source, None)
            if request is None:
                selector.unregister(connection)
                return
            sent[connection] = time.perf_counter()
            connection.sendall(request)

        begun = time.perf_counter()
        for source in sources:
            connection = stack.enter_context(connect(port))
            selector.register(connection, selectors.EVENT_READ, source)
            send_next(connection, source)
        while selector.get_map() and time.perf_counter() - begun < seconds:
            for key, _ in selector.select(1):
                connection = key.fileobj
                errors += not read_answer(connection).startswith(b"HTTP/1.1 2")
                taken_ms.append((time.perf_counter() - sent[connection]) * 1000)
                send_next(connection, key.data)
        ran_seconds = time.perf_counter() - begun
    return Load(len(taken_ms), ran_seconds, quantile(taken_ms, 0.5), quantile(taken_ms, 0.99), errors)
