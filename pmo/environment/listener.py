"""Where the web server listens: HOST, PORT and WORKERS."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.core.exceptions import ImproperlyConfigured

from pmo.environment.hosts import in_url
from pmo.environment.variables import Environment, shown

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 # compared with, not listened on


@dataclass(frozen=True)
class Listener:
    """The address to listen on and the number of worker processes."""

    host: str = "127.0.0.1"
    port: int = 4000
    workers: int = 2

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Listener:
        """The one that HOST, PORT and WORKERS describe; raises `ImproperlyConfigured` for a number out of range."""
        variables = Environment(environment)
        return cls(
            host=variables.text("HOST", cls.host),
            port=variables.whole("PORT", cls.port, 1, 65_535),
            workers=variables.whole("WORKERS", cls.workers, 1, 1_024),
        )

    def find_free(self) -> Listener:
        """
        This one with a numeric address in place of the host's name, checked to be free.

        Raises:
            ImproperlyConfigured: HOST is not an address of this machine, or the port is not available.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        except (socket.gaierror, UnicodeError):  # UnicodeError: the name is too long
            raise ImproperlyConfigured(f"HOST is {shown(self.host)}: there is no such address.") from None
        family, address = found[0], str(found[4][0])
        try:
            probe_port(address, self.port, family)
        except OSError as error:
            raise ImproperlyConfigured(self._advice(family, address, error)) from None
        return replace(self, host=address)

    def url(self) -> str:
        """The URL that reaches it from this machine, without a trailing slash."""
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{in_url(local)}:{self.port}"

    def _advice(self, family: int, address: str, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            other = _next_free_port(family, address, self.port)
            return f"Port {self.port} is taken. Stop what listens there, or choose another: PORT={other} make run"
        if error.errno == errno.EACCES:
            return f"Port {self.port} is for root only. Choose one above 1023: PORT=4000 make run"
        return f"Nothing can listen on {self.host}, port {self.port} (HOST, PORT): {error.strerror}."


def probe_port(address: str, port: int = 0, family: int = socket.AF_INET) -> int:
    """
    The port, checked to be free; for 0 any that is.

    Raises:
        OSError: nothing can listen there.
    """
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        return int(probe.getsockname()[1])


def _next_free_port(family: int, address: str, taken: int) -> int:
    for port in range(taken + 1, 65536):
        with contextlib.suppress(OSError):
            return probe_port(address, port, family)
    return Listener.port
