"""Clients that mean no good, or are on a very bad line; all of them from this machine to this machine."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

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


def idle(number: int) -> bytes:
    """Connects and says nothing, or asks once and then nothing any more."""
    return WHOLE if number % 2 else b""


def half_a_head(_: int) -> bytes:
    """Begins a request and goes on by a byte a second."""
    return HEAD


def half_a_body(_: int) -> bytes:
    """Sends a request's head, and its body by a byte a second."""
    return POST


def deaf(_: int) -> bytes:
    """Asks all the time and reads no answer."""
    return WHOLE * 200


ATTACKS: dict[str, tuple[Callable[[int], bytes], int, bool]] = {
    "idle connections": (idle, 4_000, False),
    "heads byte by byte": (half_a_head, 200, True),
    "bodies byte by byte": (half_a_body, 200, True),
    "answers not read": (deaf, 50, False),
}
"""What is sent first, how many connections are kept open (new ones for those that are closed), whether bytes follow."""


class Attack:
    """Keeps so many connections open until it is stopped."""

    def __init__(self, port: int, first: Callable[[int], bytes], connections: int, drips: bool) -> None:
        self._address, self._first, self._wanted, self._drips = ("127.0.0.1", port), first, connections, drips
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.opened = self.closed_by_server = 0
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            since_drip = 0.0
            while not self._stop.wait(RETRY_SECONDS):
                self._open_missing(selector)
                if self._first is not deaf:
                    self._notice_closed(selector)
                since_drip += RETRY_SECONDS
                if self._drips and since_drip >= SLOW_SECONDS:
                    since_drip = 0.0
                    self._drip(selector)
            for key in list(selector.get_map().values()):
                self._close(selector, key.fileobj)

    def _open_missing(self, selector: selectors.BaseSelector) -> None:
        for _ in range(min(500, self._wanted - len(selector.get_map()))):
            client = socket.socket()
            client.settimeout(0.5)
            try:
                client.connect(self._address)
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.send(self._first(self.opened))
            except OSError:
                client.close()
                return
            self.opened += 1
            selector.register(client, selectors.EVENT_READ)

    def _notice_closed(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select(0):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                ended = not client.recv(65_536)
            except BlockingIOError:
                ended = False
            except OSError:
                ended = True
            if ended:
                self.closed_by_server += 1
                self._close(selector, client)

    def _drip(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            try:
                key.fileobj.send(b"x")
            except BlockingIOError:
                continue
            except OSError:
                self.closed_by_server += 1
                self._close(selector, key.fileobj)

    def _close(self, selector: selectors.BaseSelector, client: object) -> None:
        assert isinstance(client, socket.socket)
        selector.unregister(client)
        client.close()
