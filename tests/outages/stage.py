"""The processes of the matrix: engines, proxies in front of them, and two web servers."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from pmo.run.engines.valkey import Valkey
from tests.outages.prepare import ROLE, Prepared
from tests.outages.proxy import Proxy, to_postgres
from tests.stage import Processes, is_answering, own_environment
from tests.topologies import find_port

ADMIN = "outages"
"""Redis' user for the matrix itself: the servers are the default user, who may be locked out."""


class Stage(Processes):
    """
    Everything running; made by `prepared_stage`.

    Args:
        database_url: of a migrated database, as its superuser, through a Unix socket.
        budget_ms: the servers' `REQUEST_BUDGET_MS`; other times are parts of it.
    """

    def __init__(
        self, directory: Path, database_url: str, prepared: Prepared, budget_ms: int, stack: contextlib.ExitStack
    ) -> None:
        environment = own_environment(
            directory,
            database_url,
            SECRET_KEY=prepared.secret_key,
            REDIS_HOST="127.0.0.1",
            REQUEST_BUDGET_MS=str(budget_ms),
            CACHE_SOCKET_TIMEOUT_MS=str(budget_ms // 8),
            CACHE_AUDIT_SECONDS="0",  # nothing may be repaired before it is judged
            CACHE_ANALYTICS_SECONDS="0",
            LOGIN_FAILURE_LIMIT="1000",
            LOG_LEVEL="WARNING",
        )
        super().__init__(directory, stack, environment)
        self.budget_ms, self.prepared, self.redis_port = budget_ms, prepared, find_port()
        self.valkey_data = directory / "valkey"
        self._valkey = stack.enter_context(contextlib.ExitStack())
        self.database = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        self.start_valkey()
        self.postgres = self._proxy(self._to_postgres, budget_ms / 4)
        self.redis = [self._proxy(self._to_valkey, budget_ms / 16) for _ in range(2)]
        name = self.database.info.dbname
        url = f"postgresql://{ROLE}@127.0.0.1:{self.postgres.port}/{name}"
        self.ports = [find_port() for _ in self.redis]
        servers = [
            self.start_server(port, f"server-{number}", DATABASE_URL=url, REDIS_PORT=str(self.redis[number].port))
            for number, port in enumerate(self.ports)
        ]
        self.wait_until(lambda: all(map(is_answering, self.ports)), *servers)

    def start_valkey(self) -> None:
        """Start Redis, again on the same port and without what it had; call it from the thread that made this."""
        self.valkey = self._valkey.enter_context(Valkey(self.directory, port=self.redis_port, durable=False))
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

    def _to_valkey(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.redis_port))

    def _to_postgres(self) -> socket.socket:
        return to_postgres(self.database.info.host, self.database.info.port)


@contextlib.contextmanager
def prepared_stage(directory: Path, database_url: str, prepared: Prepared, budget_ms: int) -> Iterator[Stage]:
    """Everything, running; nothing is left of it afterwards."""
    with contextlib.ExitStack() as stack:
        yield Stage(directory, database_url, prepared, budget_ms, stack)
