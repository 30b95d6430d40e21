"""
`python -m tests.torture.readers`: many clients in one light process, which takes its orders from a file.

Each client keeps one connection to one server open and always has one request under way.
"""

import asyncio
import contextlib
import pickle
import random
import re
from time import monotonic_ns

from tests.benchmarks.load.wire import HEAD_END, parse_answer
from tests.torture.orders import Orders
from tests.torture.plan import CALM_CODE
from tests.torture.records import SOURCES, Read, ReadLog, Use
from tests.torture.tokens import Token, Tokens

RECONNECT_SECONDS, LOOK_SECONDS, PATIENCE_SECONDS = 0.05, 0.01, 10
READ_ON_NS = 500_000_000
"""How long reads go on when no more writes begin."""
LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
REASON = re.compile(rb'"code":"(\w+)"')
LIST_PATH = "/api/v1/entity/types"
CALM_PATH = f"/api/v1/entity/type/{CALM_CODE}"
LIST_SHARE, CALM_SHARE = 0.15, 0.6
"""How many reads get their entity type out of the list of all; how many of people's ask for what nobody changes."""
ACCEPTED = {200: True, 401: False}
"""What an answer says of the token."""


class Readers:
    """All clients of a process and their log."""

    def __init__(self, orders: Orders) -> None:
        self.plan = plan = orders.plan
        self.random = random.Random(plan.seed)
        self.until_ns = orders.until_ns + READ_ON_NS
        self.token, self.over, self.ports = orders.token, orders.over, orders.ports
        self.list_share = LIST_SHARE if plan.algorithm == "ours" else 0
        self.tokens = Tokens(orders.tokens, self.random)
        self.paths = [f"/api/v1/entity/type/{code}" for code in plan.codes]
        self.versions = [re.compile(rf'"code":"{code}".*?"label":"v(\d+)"'.encode()) for code in plan.codes]
        self.log = ReadLog()

    async def run(self) -> None:
        """Read until the time is over."""
        count = self.plan.readers + (self.plan.people_readers if self.plan.people_slots else 0)
        async with asyncio.TaskGroup() as group:
            clients = [
                group.create_task(self._read(number % len(self.ports), is_people=number >= self.plan.readers))
                for number in range(count)
            ]
            while (now := monotonic_ns()) < self.until_ns:
                self.tokens.look()
                if self.over.exists():
                    self.until_ns = min(self.until_ns, now + READ_ON_NS)
                await asyncio.sleep(LOOK_SECONDS)
            for client in clients:
                client.cancel()

    async def _read(self, server: int, *, is_people: bool) -> None:
        """One request after the other on one connection, reconnecting for ever."""
        while True:
            doing = "connect"
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[server])
                doing = "receive"
                with contextlib.closing(writer):
                    while True:
                        await self._ask(server, reader, writer, self.tokens.choose() if is_people else None)
                        await asyncio.sleep(self.plan.rest_ms / 1000)
            except TimeoutError:
                self.log.fail(server, "no answer")
            except (OSError, EOFError) as error:
                self.log.fail(server, f"{doing}:{type(error).__name__}")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _ask(
        self, server: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: Token | None
    ) -> None:
        key, path = self._choose(is_people=token is not None)
        text = token.text if token else self.token
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {text}\r\n\r\n".encode()
        started = monotonic_ns()
        writer.write(request)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.readuntil(HEAD_END)
            length = LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        ended, (status, headers, _) = monotonic_ns(), parse_answer(head)
        if token is not None and status in ACCEPTED:
            accepted = ACCEPTED[status]
            self.log.uses.append(Use(token.right, started, ended, server, accepted))
            if not accepted:
                self.tokens.note_refusal(token, ended)
            if not accepted or key < 0:
                return
        version = self.versions[key].search(body)
        if status == 200 and version is not None:
            source = SOURCES.index(headers.get("x-cache", SOURCES[0]))
            self.log.reads.append(Read(key, started, ended, int(version[1]), source, server))
        else:
            reason = REASON.search(body)
            self.log.fail(server, f"{status}:{reason[1].decode() if reason else ''}")

    def _choose(self, *, is_people: bool) -> tuple[int, str]:
        """The number of the entity type that is read, -1 for the one that nobody changes, and what is asked for."""
        key, chance = int(self.random.random() * len(self.paths)), self.random.random()
        if is_people and chance > 1 - CALM_SHARE:
            return -1, CALM_PATH
        return key, LIST_PATH if chance < self.list_share else self.paths[key]


if __name__ == "__main__":
    given = Orders.take()
    readers = Readers(given)
    asyncio.run(readers.run())
    given.reads.write_bytes(pickle.dumps(readers.log))
