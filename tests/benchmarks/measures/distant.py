"""
`python -m tests.benchmarks.measures.distant PORT TO MILLISECONDS`: a way to Redis that takes as long there and back.

A thread waits for each direction of each connection, since a sleeping thread wakes
within a tenth of a millisecond, and an event loop only at the next whole one.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

CHUNK_BYTES = 65_536


def listen(port: int, redis_port: int, delay_seconds: float) -> None:
    """Accept connections for ever, and pass on what comes after half the delay each way."""
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listening:
        while True:
            near, _ = listening.accept()
            far = socket.create_connection(("127.0.0.1", redis_port))
            for connection in (near, far):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, target, delay_seconds / 2), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, delay_seconds: float) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            time.sleep(delay_seconds)
            target.sendall(chunk)
    for connection in (source, target):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    listen(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000)
