"""Clients that mean no good, or are on a very bad line; all of them from this machine to this machine."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

from tests.outages.prepare import CHANGED

SLOW_SECONDS = 1.0
"""Between two bytes of a slow client."""
RETRY_SECONDS = 0.2
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


class Attack:
    """Keeps so many connections open until it is stopped."""

    def __init__(self, port: int, kind: Kind) -> None:
        self._address, self._kind = ("127.0.0.1", port), kind
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._opened = 0
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            since_drip = 0.0
            while not self._stop.wait(RETRY_SECONDS):
                self._open_missing(selector)
                if self._kind.reads:
                    self._notice_closed(selector)
                since_drip += RETRY_SECONDS
                if self._kind.drips and since_drip >= SLOW_SECONDS:
                    since_drip = 0.0
                    self._drip(selector)
            for key in list(selector.get_map().values()):
                self._close(selector, key.fileobj)

    def _open_missing(self, selector: selectors.BaseSelector) -> None:
        for _ in range(min(500, self._kind.connections - len(selector.get_map()))):
            client = socket.socket()
            client.settimeout(0.5)
            try:
                client.connect(self._address)
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.send(self._kind.first(self._opened))
            except OSError:
                client.close()
                return
            self._opened += 1
            selector.register(client, selectors.EVENT_READ)

    def _notice_closed(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select(0):
            client = key.fileobj
            try:
                if client.recv(65_536):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            self._close(selector, client)

    def _drip(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            try:
                key.fileobj.send(b"x")
            except BlockingIOError:
                continue
            except OSError:
                self._close(selector, key.fileobj)

    def _close(self, selector: selectors.BaseSelector, client: object) -> None:
        selector.unregister(client)
        client.close()
