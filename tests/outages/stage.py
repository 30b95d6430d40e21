"""The processes of the matrix: engines, proxies in front of them, and two web servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from pmo.environment.listener import Listener
from pmo.processes import start_process, stop_process
from pmo.run.engines.engine import Engine
from pmo.run.engines.valkey import running_valkey
from pmo.serve import server_command
from tests.outages.prepare import ROLE, Prepared
from tests.outages.proxy import Proxy, Streams
from tests.torture.stage import OURS, ROOT, find_port

ADMIN = "outages"
"""Redis' user for the matrix itself: the servers are the default user, who may be locked out."""


class Stage:
    """
    Everything running; made by `prepared_stage`.

    Args:
        database_url: of a migrated database, as its superuser, through a Unix socket.
        budget_ms: the servers' `REQUEST_BUDGET_MS`; other times are parts of it.
    """

    def __init__(
        self, directory: Path, database_url: str, prepared: Prepared, budget_ms: int, stack: contextlib.ExitStack
    ) -> None:
        self.directory, self.budget_ms, self.prepared = directory, budget_ms, prepared
        self._stack, self.redis_port = stack, find_port()
        self.valkey_data = directory / "valkey"
        self.socket_timeout_ms = budget_ms // 8
        self._valkey = stack.enter_context(contextlib.ExitStack())
        self.database = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        self.start_valkey()
        host, name = self.database.info.host, self.database.info.dbname
        to_postgres = partial(asyncio.open_unix_connection, f"{host}/.s.PGSQL.{self.database.info.port}")
        self.postgres = self._proxy(to_postgres, budget_ms / 4)
        self.redis = [self._proxy(self._to_valkey, self.socket_timeout_ms / 2) for _ in range(2)]
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
            "DJANGO_SETTINGS_MODULE": "pmo.settings",
            "DATA_DIR": str(directory),
            "SECRET_KEY": prepared.secret_key,
            "DATABASE_URL": f"postgresql://{ROLE}@127.0.0.1:{self.postgres.port}/{name}",
            "REDIS_HOST": "127.0.0.1",
            "REQUEST_BUDGET_MS": str(budget_ms),
            "CACHE_SOCKET_TIMEOUT_MS": str(self.socket_timeout_ms),
            "CACHE_AUDIT_SECONDS": "0",  # nothing may be repaired before it is judged
            "CACHE_ANALYTICS_SECONDS": "0",
            "LOGIN_FAILURE_LIMIT": "1000",
            "LOG_LEVEL": "WARNING",
        }
        ports = [find_port() for _ in self.redis]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        for number, port in enumerate(ports):
            self._start(server_command(Listener(port=port, workers=1)), f"server-{number}", self.redis[number])
        wait_until(lambda: all(map(is_serving, self.urls)), "the servers start")

    def start_valkey(self) -> None:
        """Start Redis, again on the same port and without what it had; call it from the thread that made this."""
        self.valkey: Engine = self._valkey.enter_context(
            running_valkey(self.directory, port=self.redis_port, snapshots="")
        )
        with Redis(port=self.redis_port) as client:
            client.execute_command("ACL", "SETUSER", ADMIN, "on", "nopass", "~*", "&*", "+@all")
        self.admin = Redis(port=self.redis_port, username=ADMIN, password="", socket_timeout=5)

    def kill_valkey(self) -> None:
        self.admin.close()
        self.valkey.process.kill()
        self._valkey.close()

    def logged(self, server: int) -> list[dict[str, Any]]:
        """What a server has logged until now."""
        lines = (self.directory / f"server-{server}.err").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _proxy(self, connect: Callable[[], Any], delay_ms: float) -> Proxy:
        proxy = Proxy(connect, delay_ms / 1000)
        self._stack.callback(proxy.close)
        return proxy

    async def _to_valkey(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.redis_port)

    def _start(self, command: list[str], name: str, redis: Proxy) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.err").open("ab") as log:
            process = start_process(
                command,
                farewell=signal.SIGTERM,
                cwd=ROOT,
                env=self.environment | {"REDIS_PORT": str(redis.port)},
                stdout=log,
                stderr=log,
            )
        self._stack.callback(stop_process, process, signal.SIGTERM)
        return process


@contextlib.contextmanager
def prepared_stage(directory: Path, database_url: str, prepared: Prepared, budget_ms: int) -> Iterator[Stage]:
    """Everything, running; nothing is left of it afterwards."""
    with contextlib.ExitStack() as stack:
        yield Stage(directory, database_url, prepared, budget_ms, stack)


def is_serving(url: str) -> bool:
    """Whether a web server answers at all."""
    try:
        urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Raises TimeoutError if it takes longer."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
