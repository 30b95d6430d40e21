"""TLS before servers that have none: the wheels' Valkey and PostgreSQL are built without."""

import contextlib
import selectors
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

SSL_REQUEST_BYTES = 8
"""What a client of PostgreSQL sends first; "S" answers it."""


def make_certificate(directory: Path, name: str) -> Path:
    """A certificate for this machine that vouches for itself, with its key beside it (`.key`)."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate


@contextlib.contextmanager
def speaking_tls(certificate: Path, connect: Callable[[], socket.socket], *, postgres: bool = False) -> Iterator[int]:
    """A port that speaks TLS, and passes on what it hears to `connect()`, while the block runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=pass_on, args=(client,), daemon=True).start()

        def pass_on(client: socket.socket) -> None:
            with contextlib.suppress(OSError), client:
                if postgres:
                    client.recv(SSL_REQUEST_BYTES)
                    client.sendall(b"S")
                with context.wrap_socket(client, server_side=True) as safe, connect() as server:
                    _pump(safe, server)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _pump(safe: ssl.SSLSocket, server: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(safe, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, safe)
        while True:
            for ready, _ in selector.select():
                source: socket.socket = ready.fileobj  # type: ignore[assignment] # what was registered
                heard = source.recv(65_536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    heard += source.recv(65_536)
                if not heard:
                    return
                ready.data.sendall(heard)
