"""
Requests at a fixed rate, whether or not earlier ones were answered: an open loop.

Latency counts from when a request was due, so that a server that stalls is charged for all who wait.
Source: Gil Tene, "How NOT to Measure Latency" (coordinated omission).
"""

from __future__ import annotations

import contextlib
import gc
import selectors
import socket
import time
from collections import deque
from typing import NamedTuple

from tests.benchmarks.load.wire import Reads, change_bytes, connect, parse_answer, read_answer


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
    plan.sort(reverse=True)
    hits: list[Hit] = []
    gc.disable()
    with contextlib.ExitStack() as stack:
        stack.callback(gc.enable)
        selector = stack.enter_context(selectors.DefaultSelector())
        free = {
            is_write: [stack.enter_context(connect(port)) for _ in range(count)]
            for is_write, count in ((False, connections), (True, 2 if writes_per_second else 0))  # idle ones are closed
        }
        for each in (*free[False], *free[True]):
            selector.register(each, selectors.EVENT_READ)
        under_way: dict[socket.socket, Due] = {}
        waiting: dict[bool, deque[Due]] = {False: deque(), True: deque()}
        begun = time.perf_counter()
        while plan or under_way or any(waiting.values()):
            while plan and plan[-1].at <= time.perf_counter() - begun:
                due = plan.pop()
                waiting[due.is_write].append(due)
            for is_write, queue in waiting.items():
                while queue and free[is_write]:
                    connection = free[is_write].pop()
                    under_way[connection] = queue.popleft()
                    connection.sendall(under_way[connection].request)
            pause = max(0.0, plan[-1].at - (time.perf_counter() - begun)) if plan else 1.0
            for key, _ in selector.select(pause):
                answer = read_answer(key.fileobj)
                due = under_way.pop(key.fileobj)
                free[due.is_write].append(key.fileobj)
                taken = (time.perf_counter() - begun - due.at) * 1000
                status, headers, _body = parse_answer(answer)
                if status != 200:
                    raise ConnectionError(answer[:200].decode(errors="replace"))
                if not due.is_write:
                    hits.append(Hit(taken, headers.get("x-cache", "")))
    return hits
