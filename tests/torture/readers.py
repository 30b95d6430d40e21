"""
`python -m tests.torture.readers`: many clients in one light process, which reads its orders from standard input.

Each client keeps one connection to one server open and always has one request under way.
"""

from __future__ import annotations

import json
import random
import re
import select
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic_ns

from tests.torture.records import SOURCES, ReadLog

SECOND = 1_000_000_000
RECONNECT_NS = SECOND // 20
PATIENCE_NS = 10 * SECOND
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
SOURCE = re.compile(rb"(?i)\r\nx-cache: *(\w+)")
REASON = re.compile(rb'"code":"(\w+)"')
LIST_SHARE = 0.15
"""How many reads get their entity type out of the list of all."""
SOURCE_NUMBERS = {name.encode(): number for number, name in enumerate(SOURCES)}


@dataclass
class Orders:
    """What a reader process is to do."""

    ports: list[int]
    codes: list[str]
    token: str
    clients: int
    until_ns: int
    seed: int
    log: str

    def json(self) -> str:
        return json.dumps(asdict(self))


class Client:
    """One connection, reconnecting for ever."""

    def __init__(self, server: int, port: int) -> None:
        self.server, self.port = server, port
        self.socket: socket.socket | None = None
        self.key = 0
        self.started = 0
        self.answer = b""
        self.retry_at = 0

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        return connection


class Readers:
    """All clients of a process and their log."""

    def __init__(self, orders: Orders) -> None:
        self.random = random.Random(orders.seed)
        self.until_ns = orders.until_ns
        ending = f" HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {orders.token}\r\n\r\n"
        self.requests = [f"GET /api/v1/entity/type/{code}{ending}".encode() for code in orders.codes]
        self.list_request = f"GET /api/v1/entity/types{ending}".encode()
        self.versions = [re.compile(rf'"code":"{code}".*?"label":"v(\d+)"'.encode()) for code in orders.codes]
        self.log = ReadLog()
        self.poller = select.epoll()
        self.by_number: dict[int, Client] = {}
        servers = [number % len(orders.ports) for number in range(orders.clients)]
        self.away = [Client(server, orders.ports[server]) for server in servers]

    def run(self) -> ReadLog:
        """Read until the time is over."""
        checked = monotonic_ns()
        while (now := monotonic_ns()) < self.until_ns:
            for number, _ in self.poller.poll(0.05):
                self._receive(self.by_number[number])
            if self.away:
                self._reconnect(now)
            if now - checked > SECOND:
                checked = now
                self._give_up(now)
        return self.log

    def _reconnect(self, now: int) -> None:
        waiting, self.away = self.away, []
        for client in waiting:
            if client.retry_at > now:
                self.away.append(client)
                continue
            try:
                connection = client.connect()
            except OSError as error:
                self._lose(client, f"connect:{type(error).__name__}")
                continue
            self.by_number[connection.fileno()] = client
            self.poller.register(connection.fileno(), select.EPOLLIN)
            self._ask(client)

    def _ask(self, client: Client) -> None:
        assert client.socket is not None
        client.key = int(self.random.random() * len(self.requests))
        client.answer = b""
        client.started = monotonic_ns()
        try:
            in_list = self.random.random() < LIST_SHARE
            client.socket.sendall(self.list_request if in_list else self.requests[client.key])
        except OSError as error:
            self._lose(client, f"send:{type(error).__name__}")

    def _receive(self, client: Client) -> None:
        assert client.socket is not None
        try:
            received = client.socket.recv(65536)
        except OSError as error:
            self._lose(client, f"receive:{type(error).__name__}")
            return
        if not received:
            self._lose(client, "closed")
            return
        client.answer += received
        head, separator, body = client.answer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = LENGTH.search(head)
        if length is None:
            self._lose(client, "no length")
        elif len(body) >= int(length[1]):
            self._note(client, head, body)
            self._ask(client)

    def _note(self, client: Client, head: bytes, body: bytes) -> None:
        ended = monotonic_ns()
        status, version, source = head[9:12], self.versions[client.key].search(body), SOURCE.search(head)
        if status == b"200" and version is not None:
            number = SOURCE_NUMBERS.get(source[1], 0) if source else 0
            self.log.add(
                client.key, client.started, ended, version=int(version[1]), source=number, server=client.server
            )
        else:
            reason = REASON.search(body)
            self.log.fail(client.server, f"{status.decode()}:{reason[1].decode() if reason else ''}")

    def _lose(self, client: Client, reason: str) -> None:
        self.log.fail(client.server, reason)
        if client.socket is not None:
            if self.by_number.pop(client.socket.fileno(), None):
                self.poller.unregister(client.socket.fileno())
            client.socket.close()
            client.socket = None
        client.retry_at = monotonic_ns() + RECONNECT_NS
        self.away.append(client)

    def _give_up(self, now: int) -> None:
        for client in [client for client in self.by_number.values() if now - client.started > PATIENCE_NS]:
            self._lose(client, "no answer")


if __name__ == "__main__":
    given = Orders(**json.load(sys.stdin))
    Readers(given).run().save(Path(given.log))
