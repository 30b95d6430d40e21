"""Load generators: wrk if it is there, else one in Python. Both keep their connections busy all the time."""

from __future__ import annotations

import json
import math
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CONNECTIONS = 16
SCRIPT = Path(__file__).parent / "cycle.lua"
CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Load:
    """
    What a server answered.

    Attributes:
        errors: answers that were not 2xx or 3xx, and connections that broke.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class Generator(Protocol):
    name: str

    def run(self, port: int, token: str, codes: Sequence[str], seconds: float, connections: int = CONNECTIONS) -> Load:
        """Read `codes` one after the other, on every connection as soon as it has its answer, for so long."""


class Wrk:
    """https://github.com/wg/wrk, with one thread."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.name = "wrk"

    def run(self, port: int, token: str, codes: Sequence[str], seconds: float, connections: int = CONNECTIONS) -> Load:
        command = [self.program, "-t1", f"-c{connections}", f"-d{max(1, math.ceil(seconds))}s", "-s", str(SCRIPT)]
        command += [f"http://127.0.0.1:{port}", "--", token, *codes]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        return Load(**json.loads(ended.stdout.strip().splitlines()[-1]))


class Bundled:
    """A client of our own. It costs more than wrk: where it, not the server, is the limit, ratios shrink."""

    name = "the bundled client (wrk was not there)"

    def run(self, port: int, token: str, codes: Sequence[str], seconds: float, connections: int = CONNECTIONS) -> Load:
        requests = [request_bytes(port, token, code) for code in codes]
        latencies: list[float] = []
        errors = turn = 0
        with selectors.DefaultSelector() as selector:
            sent: dict[socket.socket, float] = {}
            for _ in range(connections):
                connected = socket.create_connection(("127.0.0.1", port), timeout=10)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connected, selectors.EVENT_READ)
                sent[connected] = time.perf_counter()
                connected.sendall(requests[turn % len(requests)])
                turn += 1
            begun = time.perf_counter()
            while (now := time.perf_counter()) - begun < seconds:
                for key, _ in selector.select(1):
                    connection = key.fileobj
                    assert isinstance(connection, socket.socket)
                    errors += not read_answer(connection).startswith(b"HTTP/1.1 2")
                    now = time.perf_counter()
                    latencies.append(now - sent[connection])
                    sent[connection] = now
                    connection.sendall(requests[turn % len(requests)])
                    turn += 1
            for connection in sent:
                connection.close()
        latencies.sort()
        p50, p99 = (latencies[int(share * (len(latencies) - 1))] * 1000 for share in (0.5, 0.99))
        return Load(len(latencies), now - begun, p50, p99, errors)


def find_generator(*, bundled: bool = False) -> Generator:
    """wrk if it is installed, unless `bundled`."""
    program = None if bundled else shutil.which("wrk")
    return Wrk(program) if program else Bundled()


def request_bytes(port: int, token: str, code: str) -> bytes:
    return (
        f"GET /api/v1/entity/type/{code} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def read_answer(connection: socket.socket) -> bytes:
    """
    One whole answer with a Content-Length.

    Raises:
        ConnectionError: the server closed the connection.
    """
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _receive(connection)
    head = received[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    while len(received) < end + 4 + length:
        received += _receive(connection)
    return received


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(CHUNK_BYTES)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk
