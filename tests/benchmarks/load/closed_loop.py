"""Requests on connections that are never idle: each sends its next as soon as it has an answer."""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.benchmarks.load.wire import connect, read_answer


class Answered(NamedTuple):
    """One request: when it was sent, by `time.perf_counter`, how long its answer took, and whether that was 2xx."""

    sent: float
    milliseconds: float
    is_good: bool


@dataclass(frozen=True)
class Ran:
    """All that was answered in so many seconds, in order."""

    answered: Sequence[Answered]
    seconds: float

    @property
    def errors(self) -> int:
        return sum(not each.is_good for each in self.answered)


def run_closed_loop(port: int, sources: Sequence[Iterator[bytes]], seconds: float = math.inf) -> Ran:
    """
    Send requests until the time is over or none is left; what is under way when the time is over is not counted.

    Args:
        sources: where each connection has its requests from; several may share one.
    """
    answered: list[Answered] = []
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
                is_good = read_answer(connection).startswith(b"HTTP/1.1 2")
                taken = (time.perf_counter() - sent[connection]) * 1000
                answered.append(Answered(sent[connection], taken, is_good))
                send_next(connection, key.data)
        return Ran(answered, time.perf_counter() - begun)
