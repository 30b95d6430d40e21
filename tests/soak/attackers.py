"""
Clients that mean no good, or are on a very bad line; all of them from this machine to this machine.

`python -m tests.soak.attackers PORT KIND` is one kind of them.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.outages.prepare import CHANGED

SLOW_SECONDS = 1.0
"""Between two bytes of a slow client."""
RETRY_SECONDS = 0.2
BACKLOG = 500
"""How many may be connecting at once."""
HEAD = b"GET /api/v1/entity/type/x HTTP/1.1\r\nHost: localhost\r\nX-Padding: "
POST = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 900000\r\n\r\n{"
)
WHOLE = b"GET /api/v1/entity/type/" + CHANGED.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Kind(NamedTuple):
    """
    Clients of one kind.

    Attributes:
        first: what the n-th sends first.
        connections: how many are kept open; there are new ones for those that are closed.
        drips: whether a byte a second follows.
        reads: whether they read what they are answered.
    """

    first: Callable[[int], bytes]
    connections: int
    drips: bool = False
    reads: bool = True


ATTACKS = {
    "idle connections": Kind(lambda number: WHOLE if number % 2 else b"", 4_000),
    "heads byte by byte": Kind(lambda _: HEAD, 200, drips=True),
    "bodies byte by byte": Kind(lambda _: POST, 200, drips=True),
    "answers not read": Kind(lambda _: WHOLE * 200, 50, reads=False),
}


async def attack(port: int, kind: Kind) -> None:
    """Keep so many connections open until the process ends."""
    connecting = asyncio.Semaphore(BACKLOG)

    async def connect_all_the_time(number: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                async with connecting:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
                with contextlib.closing(writer):
                    writer.write(kind.first(number))
                    await keep_open(kind, reader, writer)
            await asyncio.sleep(RETRY_SECONDS)

    await asyncio.gather(*map(connect_all_the_time, range(kind.connections)))


async def keep_open(kind: Kind, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the server closes it."""
    while not kind.reads:
        await asyncio.sleep(SLOW_SECONDS)
    while not reader.at_eof():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SLOW_SECONDS if kind.drips else None):
                await reader.read(65_536)
        if kind.drips:
            writer.write(b"x")
            await writer.drain()


if __name__ == "__main__":
    asyncio.run(attack(int(sys.argv[1]), ATTACKS[sys.argv[2]]))
