"""
Requests on several connections, each of which sends its next when it has its answer.

In a closed loop connections are never idle. In an open loop requests are due at a fixed rate, whether or not earlier
ones were answered, and latency counts from when a request was due, so that a server that stalls is charged for all who
wait. Source: Gil Tene, "How NOT to Measure Latency" (coordinated omission).
"""

import contextlib
import gc
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from tests.benchmarks.load.wire import Reads, change_bytes, connect, parse_answer, read_answer
from tests.figures import quantile


class Due(NamedTuple):
    """A request, how many seconds after the beginning it is due (0: as soon as a connection is free)."""

    at: float
    request: bytes
    is_write: bool = False


class Answered(NamedTuple):
    """How long the answer took since the request was due or sent."""

    due: Due
    milliseconds: float
    answer: bytes


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


class Hit(NamedTuple):
    """One answered read: how long after it was due, and what its X-Cache said."""

    milliseconds: float
    source: str


def run_closed_loop(port: int, sources: Sequence[Iterator[bytes]], seconds: float = math.inf) -> Load:
    """
    Send requests until the time is over or none is left; what is under way when the time is over is not counted.

    Args:
        sources: where each connection has its requests from; several may share one.
    """
    plans = {id(source): (Due(0, request) for request in source) for source in sources}
    begun = time.perf_counter()
    answered = _send(port, [plans[id(source)] for source in sources], seconds)
    taken, taken_ms = time.perf_counter() - begun, [each.milliseconds for each in answered]
    errors = sum(not each.answer.startswith(b"HTTP/1.1 2") for each in answered)
    return Load(len(answered), taken, quantile(taken_ms, 0.5), quantile(taken_ms, 0.99), errors)


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

    Writes have connections of their own; reads take any that is free, and wait if none is.

    Raises:
        ConnectionError: an answer was an error.
    """
    requests = reads.requests(port)
    due_reads = (Due(n / per_second, next(requests)) for n in range(int(seconds * per_second)))
    due_writes = (  # between two reads, so that no read is due at the same moment
        Due((n + 0.5) / writes_per_second, change_bytes(port, reads.tokens[0], written, f"Written {n}"), is_write=True)
        for n in range(int(seconds * writes_per_second))
    )
    gc.disable()
    try:
        answered = _send(port, [due_reads] * connections + [due_writes] * 2)
    finally:
        gc.enable()
    hits = []
    for due, milliseconds, received in answered:
        answer = parse_answer(received)
        if answer.status != 200:
            raise ConnectionError(received[:200].decode(errors="replace"))
        if not due.is_write:
            hits.append(Hit(milliseconds, answer.headers.get("x-cache", "")))
    return hits


def _send(port: int, plans: Sequence[Iterator[Due]], seconds: float = math.inf) -> list[Answered]:
    """Send what each connection is to send; a thread waits for each, since it wakes at once when a request is due."""
    answered: list[Answered] = []
    taking, begun = Lock(), time.perf_counter()

    def send(plan: Iterator[Due]) -> None:
        with contextlib.ExitStack() as stack:
            connection = None
            while True:
                with taking:
                    due = next(plan, None)
                if due is None:
                    return
                connection = connection or stack.enter_context(connect(port))  # an idle one would be closed
                time.sleep(max(0, due.at - (time.perf_counter() - begun)))
                since = due.at or time.perf_counter() - begun
                connection.sendall(due.request)
                answer = read_answer(connection)
                now = time.perf_counter() - begun
                if now > seconds:
                    return
                answered.append(Answered(due, (now - since) * 1000, answer))

    with ThreadPoolExecutor(len(plans)) as pool:
        list(pool.map(send, plans))
    return answered
