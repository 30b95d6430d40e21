"""
A TCP proxy in front of an engine, whose manners can be changed while connections are open.

`python -m tests.outages.proxy PORT TO MILLISECONDS`: a way to a port that takes as long there and back.

A thread waits for each direction of each connection, since a sleeping thread wakes within a tenth of a millisecond, and
an event loop only at the next whole one.
"""

import contextlib
import functools
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum

CHUNK_BYTES = 65_536


class Mode(Enum):
    """What the proxy does."""

    PASS = "passes everything on"
    SLOW = "passes everything on, late"
    TRICKLE = "passes questions on, and answers byte by byte"
    HANG = "accepts everything and passes it on when it stops hanging, as a cut network does"
    REFUSE = "listens no more; connections are reset"
    END = "accepts connections and ends them at once"


class Proxy:
    """
    Listens on a port of the loopback address.

    Args:
        connect: opens a connection to the engine.
        delay_seconds: how long a question and its answer take longer in the mode `SLOW`, and each byte of an answer in
            the mode `TRICKLE`.
        port: any if it is 0.
    """

    def __init__(self, connect: Callable[[], socket.socket], delay_seconds: float, port: int = 0) -> None:
        self._connect, self._delay = connect, delay_seconds
        self._mode, self._flows = Mode.PASS, threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._listen(port)

    def set_mode(self, mode: Mode) -> None:
        """Behave so from now on, on open connections too."""
        was, self._mode = self._mode, mode
        if mode in (Mode.REFUSE, Mode.END):
            self.drop_connections()
        if mode is Mode.REFUSE:
            _end(self._listener)
            self._listener.close()
        elif was is Mode.REFUSE:
            self._listen(self.port)
        self._flows.clear() if mode is Mode.HANG else self._flows.set()

    def drop_connections(self) -> None:
        """End every open connection."""
        for each in list(self._open):
            _end(each)

    def close(self) -> None:
        self.set_mode(Mode.REFUSE)

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it listens no more
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), self._kept(near):
            if self._mode is not Mode.END:
                self._flows.wait()
                with self._kept(self._connect()) as far:
                    answers = threading.Thread(target=self._pass_on, args=(far, near, self._trickle), daemon=True)
                    answers.start()
                    self._pass_on(near, far, socket.socket.sendall)
                    answers.join()

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[socket.socket]:
        with connection:
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            try:
                yield connection
            finally:
                self._open.discard(connection)

    def _pass_on(
        self, source: socket.socket, target: socket.socket, send: Callable[[socket.socket, bytes], object]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._flows.wait()
                if self._mode is Mode.SLOW:
                    time.sleep(self._delay / 2)
                send(target, data)
        _end(source)
        _end(target)

    def _trickle(self, target: socket.socket, data: bytes) -> None:
        while self._mode is Mode.TRICKLE and data:
            target.sendall(data[:1])
            data = data[1:]
            time.sleep(self._delay)
        target.sendall(data)


def to_postgres(folder: str, port: int | str = 5432) -> socket.socket:
    """A connection to PostgreSQL's Unix socket, for a proxy."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{folder}/.s.PGSQL.{port}")
    return connection


def _end(connection: socket.socket) -> None:
    """Whoever waits for it is woken."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    listen, to, milliseconds = map(int, sys.argv[1:])
    way = functools.partial(socket.create_connection, ("127.0.0.1", to))
    Proxy(way, milliseconds / 1000, listen).set_mode(Mode.SLOW)
    signal.pause()
