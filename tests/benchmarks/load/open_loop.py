"""
Requests at a fixed rate, whether or not earlier ones were answered: an open loop.

Latency counts from when a request was due, so that a server that stalls is charged for all who wait.
Source: Gil Tene, "How NOT to Measure Latency" (coordinated omission).
"""

from __future__ import annotations

import gc
import heapq
import selectors
import socket
import time
from typing import NamedTuple

from tests.benchmarks.load.wire import Reads, change_bytes, connect, read_answer


class Hit(NamedTuple):
    """One answered read: how long after it was due, and what its X-Cache said."""

    milliseconds: float
    source: str


class Due(NamedTuple):
    at: float
    is_write: bool
    request: bytes


def run_open_loop(
    port: int,
    reads: Reads,
    *,
    per_second: float,
    seconds: float,
    written: str = "",
    writes_per_second: float = 0,
    connections: int = 16,
) -> list[Hit]:
    """
    Read at a fixed rate, and change `written` by the first token at another (0 for never).

    A write has a connection of its own; reads take any that is free, and wait if none is.

    Raises:
        ConnectionError: an answer was an error.
    """
    requests = reads.requests(port)
    plan = [Due(n / per_second, False, next(requests)) for n in range(int(seconds * per_second))]
    # Between two reads, so that no read is due at the same moment.
    plan += [
        Due((n + 0.5) / writes_per_second, True, change_bytes(port, reads.tokens[0], written, f"Written {n}"))
        for n in range(int(seconds * writes_per_second))
    ]
    heapq.heapify(plan)
    hits: list[Hit] = []
    sockets = [connect(port) for _ in range(connections)]
    writers = [connect(port) for _ in range(2 if writes_per_second else 0)]  # idle ones are closed after a while
    free = {False: list(sockets), True: list(writers)}
    under_way: dict[socket.socket, Due] = {}
    waiting: dict[bool, list[Due]] = {False: [], True: []}
    gc.disable()
    try:
        with selectors.DefaultSelector() as selector:
            for each in (*sockets, *writers):
                selector.register(each, selectors.EVENT_READ)
            begun = time.perf_counter()
            while plan or under_way or any(waiting.values()):
                while plan and plan[0].at <= time.perf_counter() - begun:
                    due = heapq.heappop(plan)
                    waiting[due.is_write].append(due)
                for is_write, queue in waiting.items():
                    while queue and free[is_write]:
                        connection = free[is_write].pop()
                        under_way[connection] = queue.pop(0)
                        connection.sendall(under_way[connection].request)
                pause = max(0.0, plan[0].at - (time.perf_counter() - begun)) if plan else 1.0
                for key, _ in selector.select(pause):
                    answered = key.fileobj
                    answer = read_answer(answered)
                    due = under_way.pop(answered)
                    free[due.is_write].append(answered)
                    taken = (time.perf_counter() - begun - due.at) * 1000
                    _check(answer)
                    if not due.is_write:
                        hits.append(Hit(taken, _source(answer)))
    finally:
        gc.enable()
        for each in (*sockets, *writers):
            each.close()
    return hits


def _check(answer: bytes) -> None:
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(answer[:200].decode(errors="replace"))


def _source(answer: bytes) -> str:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return head.partition(b"x-cache: ")[2].partition(b"\r\n")[0].decode().upper()
