"""HTTP/1.1 as bytes: requests made once and sent often, and whole answers."""

import itertools
import json
import random
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.stage import Answer

CHUNK_BYTES = 65_536
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Reads:
    """
    Whose tokens read which entity types.

    Attributes:
        seed: a token and a code are drawn for each request, from a generator that begins with it; None takes one after
            the other.
    """

    tokens: Sequence[str]
    codes: Sequence[str]
    seed: int | None = None

    def requests(self, port: int) -> Iterator[bytes]:
        """Without end."""
        heads, tails = self._parts(port)
        if self.seed is None:
            for number in itertools.count():
                yield heads[number % len(heads)] + tails[number % len(tails)]
        draw = random.Random(self.seed).choice
        while True:
            yield draw(heads) + draw(tails)

    def each_once(self, port: int) -> Iterator[bytes]:
        """As few requests as have every token and every code in them."""
        heads, tails = self._parts(port)
        for number in range(max(len(heads), len(tails))):
            yield heads[number % len(heads)] + tails[number % len(tails)]

    def _parts(self, port: int) -> tuple[list[bytes], list[bytes]]:
        return [_head("GET", f"/type/{code}", port) for code in self.codes], [
            f"{token}\r\n\r\n".encode() for token in self.tokens
        ]


def change_bytes(port: int, token: str, code: str, label: str) -> bytes:
    """A PATCH of one label."""
    body = json.dumps({"label": label})
    head = f"{token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    return _head("PATCH", f"/{code}", port) + head.encode()


def connect(port: int) -> socket.socket:
    """A connection that sends at once what it is given."""
    connected = socket.create_connection(("127.0.0.1", port), timeout=10)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def read_answer(connection: socket.socket) -> bytes:
    """
    One whole answer with a Content-Length.

    Raises:
        ConnectionError: the server closed the connection.
    """
    received = b""
    while (end := received.find(HEAD_END)) < 0:
        received += _receive(connection)
    head = received[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    while len(received) < end + 4 + length:
        received += _receive(connection)
    return received


def parse_answer(received: bytes) -> Answer:
    head, _, body = received.partition(HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in named}, body)


def _head(method: str, path: str, port: int) -> bytes:
    """All before the token."""
    return f"{method} /api/v1/entity{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer ".encode()


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(CHUNK_BYTES)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk
