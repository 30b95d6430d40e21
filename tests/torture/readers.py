"""
`python -m tests.torture.readers`: many clients in one light process, which takes its orders from a file.

Each client keeps one connection to one server open and always has one request under way.
"""

from __future__ import annotations

import pickle
import random
import re
import selectors
import socket
import time
from dataclasses import dataclass
from time import monotonic_ns

from tests.benchmarks.load.wire import connect, parse_answer, read_answer
from tests.stage import Answer
from tests.torture.orders import Orders
from tests.torture.plan import CALM_CODE
from tests.torture.records import SOURCES, Read, ReadLog, Use
from tests.torture.tokens import Token, Tokens

SECOND = 1_000_000_000
RECONNECT_NS = SECOND // 20
LOOK_NS = SECOND // 100
PATIENCE_NS = 10 * SECOND
READ_ON_NS = SECOND // 2
"""How long reads go on when no more writes begin."""
REASON = re.compile(rb'"code":"(\w+)"')
LIST_PATH = "/api/v1/entity/types"
CALM_PATH = f"/api/v1/entity/type/{CALM_CODE}"
LIST_SHARE, CALM_SHARE = 0.15, 0.6
"""How many reads get their entity type out of the list of all; how many of people's ask for what nobody changes."""
ACCEPTED = {200: True, 401: False}
"""What an answer says of the token."""


@dataclass
class Client:
    """One connection, reconnecting for ever."""

    server: int
    port: int
    is_people: bool
    socket: socket.socket | None = None
    key: int = 0
    token: Token | None = None
    started: int = 0
    retry_at: int = 0


class Readers:
    """All clients of a process and their log."""

    def __init__(self, orders: Orders) -> None:
        plan = orders.plan
        self.random = random.Random(plan.seed)
        self.until_ns = orders.until_ns + READ_ON_NS
        self.token, self.over = orders.token, orders.over
        self.rest_seconds = plan.rest_ms / 1000
        self.list_share = LIST_SHARE if plan.algorithm == "ours" else 0
        self.tokens = Tokens(orders.tokens, self.random)
        self.paths = [f"/api/v1/entity/type/{code}" for code in plan.codes]
        self.versions = [re.compile(rf'"code":"{code}".*?"label":"v(\d+)"'.encode()) for code in plan.codes]
        self.log = ReadLog()
        self.selector = selectors.DefaultSelector()
        self.away: list[Client] = []
        for number in range(plan.readers + (plan.people_readers if plan.people_slots else 0)):
            server = number % len(orders.ports)
            self.away.append(Client(server, orders.ports[server], is_people=number >= plan.readers))

    def run(self) -> None:
        """Read until the time is over."""
        checked = looked = monotonic_ns()
        while (now := monotonic_ns()) < self.until_ns:
            for key, _ in self.selector.select(0.05):
                self._receive(key.data)
            if self.rest_seconds:
                time.sleep(self.rest_seconds)
            if self.away:
                self._reconnect(now)
            if now - looked > LOOK_NS:
                looked = now
                self.tokens.look()
                if self.over.exists():
                    self.until_ns = min(self.until_ns, now + READ_ON_NS)
            if now - checked > SECOND:
                checked = now
                self._give_up(now)

    def _reconnect(self, now: int) -> None:
        waiting, self.away = self.away, []
        for client in waiting:
            if client.retry_at > now:
                self.away.append(client)
                continue
            try:
                client.socket = connect(client.port)
            except OSError as error:
                self._lose(client, f"connect:{type(error).__name__}")
                continue
            self.selector.register(client.socket, selectors.EVENT_READ, client)
            self._ask(client)

    def _ask(self, client: Client) -> None:
        client.key = int(self.random.random() * len(self.paths))
        client.token = self.tokens.choose() if client.is_people else None
        path = self._choose_path(client)
        text = client.token.text if client.token else self.token
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {text}\r\n\r\n".encode()
        client.started = monotonic_ns()
        try:
            client.socket.sendall(request)
        except OSError as error:
            self._lose(client, f"send:{type(error).__name__}")

    def _choose_path(self, client: Client) -> str:
        chance = self.random.random()
        if client.token is not None and chance > 1 - CALM_SHARE:
            client.key = -1
            return CALM_PATH
        return LIST_PATH if chance < self.list_share else self.paths[client.key]

    def _receive(self, client: Client) -> None:
        try:
            received = read_answer(client.socket)
        except OSError as error:
            self._lose(client, f"receive:{type(error).__name__}")
            return
        self._note(client, monotonic_ns(), parse_answer(received))
        self._ask(client)

    def _note(self, client: Client, ended: int, answer: Answer) -> None:
        status, headers, body = answer
        if client.token is not None and status in ACCEPTED:
            accepted = ACCEPTED[status]
            self.log.uses.append(Use(client.token.right, client.started, ended, client.server, accepted))
            if not accepted:
                self.tokens.note_refusal(client.token, ended)
            if not accepted or client.key < 0:
                return
        version = self.versions[client.key].search(body)
        if status == 200 and version is not None:
            source = SOURCES.index(headers.get("x-cache", SOURCES[0]))
            self.log.reads.append(Read(client.key, client.started, ended, int(version[1]), source, client.server))
        else:
            reason = REASON.search(body)
            self.log.fail(client.server, f"{status}:{reason[1].decode() if reason else ''}")

    def _lose(self, client: Client, reason: str) -> None:
        self.log.fail(client.server, reason)
        if client.socket is not None:
            self.selector.unregister(client.socket)
            client.socket.close()
            client.socket = None
        client.retry_at = monotonic_ns() + RECONNECT_NS
        self.away.append(client)

    def _give_up(self, now: int) -> None:
        for client in [key.data for key in self.selector.get_map().values()]:
            if now - client.started > PATIENCE_NS:
                self._lose(client, "no answer")


if __name__ == "__main__":
    given = Orders.take()
    readers = Readers(given)
    readers.run()
    given.reads.write_bytes(pickle.dumps(readers.log))
