"""
The processes of one run: PostgreSQL, Valkey, web servers, writers, readers. All of them end with this one.

They are started from one thread alone, since the kernel ends them with the thread that started them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from pmo.environment.listener import Listener
from pmo.processes import start_process, stop_process
from pmo.run.embedded import running_engines
from pmo.run.engines.engine import Engine
from pmo.run.engines.postgres import program_folder
from pmo.run.engines.valkey import running_valkey
from pmo.serve import server_command
from tests.relays import find_relaying
from tests.topologies import find_port, running_cluster, running_sentinels
from tests.torture import readers, writer_orders
from tests.torture.plan import CALM_CODE, QUIET_CODE, WRITE_BUDGET_MS, Plan

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 45
CHECK_SECONDS = 0.02
NOTICED_MS = 4_500
"""How long a primary is silent before its replica may take over: more than `min-replicas-max-lag` and a second."""
READ_ON_NS = 500_000_000
"""How long reads go on when no more writes begin."""
SKEWED = Path(__file__).resolve().parent / "skewed"
SKEW_SECONDS = 4_321
"""Between the wall clocks of two servers: more than an hour, and no whole number of anything."""
OURS = (
    "DATABASE_",
    "REDIS_",
    "CACHE_",
    "DJANGO_SETTINGS_MODULE",
    "SECRET_KEY",
    "ENVIRONMENT",
    "DATA_DIR",
    "LOG_",
    "DEBUG",
)


class StageFailed(Exception):
    """A process did not start, or ended by itself; the message says which."""


class Stage:
    """A running system; made by `prepared_stage`."""

    def __init__(self, plan: Plan, directory: Path, stack: contextlib.ExitStack) -> None:
        self.plan, self.directory, self._stack = plan, directory, stack
        self.tokens = directory / "tokens"
        self.ports = [find_port() for _ in range(plan.servers)]
        endpoints, _ = stack.enter_context(running_engines(directory / "postgres", ["postgres"], durable=False))
        self.database_url = endpoints.database_url
        self.redis: Any
        if plan.topology == "single":
            self.redis_port = find_port()
            self._valkey = stack.enter_context(contextlib.ExitStack())
            self.valkey = self._start_valkey()
            stack.callback(_wake, self)
            self.redis_url = f"redis://127.0.0.1:{self.redis_port}/0"
            self.redis = Redis(port=self.redis_port, socket_timeout=10)
        else:
            running = {"sentinel": running_sentinels, "cluster": running_cluster}[plan.topology]
            self.topology: Any = stack.enter_context(running(directory, NOTICED_MS))
            self.redis_url, self.redis = self.topology.url, self.topology.client()
        stack.callback(self.redis.close)
        self.settings = "pmo.settings" if plan.algorithm == "ours" else "tests.torture.classic_settings"
        self.environment = self._environment()
        prepare = [sys.executable, "-m", "tests.torture.prepare", *plan.codes, QUIET_CODE, CALM_CODE]
        prepared = self.manage(*prepare)
        self.token: str = json.loads(prepared)["token"]
        self.database = stack.enter_context(psycopg.connect(self.database_url, autocommit=True))
        self.servers = [self._start_server(number) for number in range(plan.servers)]
        self.writer_host = self._start_host("tests.torture.writers", DATABASE_POOL_SIZE="0")
        self.reader_host = self._start_host("tests.torture.readers")
        self.wait_until(lambda: all(map(self.is_answering, range(plan.servers))) and self.is_relaying())
        self.wait_until(lambda: (directory / "tests.torture.writers.out").read_text() == "ready\n")

    # --- What the run does to it ---

    def start_load(self, until_ns: int) -> None:
        """Start readers and writers; the writers begin their last writes before `until_ns`, the readers end later."""
        plan = self.plan
        written = writer_orders.Orders(
            ports=self.ports,
            codes=plan.codes,
            token=self.token,
            database_url=self.database_url,
            psql=str(program_folder() / "psql"),
            kinds=writer_orders.kinds_of_writers(plan.writers, plan.faults, len(plan.people_slots)),
            faults=sorted(plan.faults),
            hold_ms=plan.hold_ms,
            pause_ms=plan.pause_ms,
            until_ns=until_ns,
            seed=plan.seed,
            logs=str(self.directory),
            tokens=str(self.tokens),
        )
        self.orders = written
        read = readers.Orders(
            ports=self.ports,
            codes=plan.codes,
            token=self.token,
            clients=plan.readers,
            people_clients=plan.people_readers if plan.people_slots else 0,
            tokens=str(self.tokens),
            until_ns=until_ns + READ_ON_NS,
            seed=plan.seed,
            log=str(self.directory / "reads"),
            uses=str(self.directory / "uses"),
        )
        give_orders(self.writer_host, written.json())
        give_orders(self.reader_host, read.json())

    def wait_for_load(self) -> None:
        """Until the last write and the last read have ended."""
        for host in (self.writer_host, self.reader_host):
            try:
                status = host.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                raise StageFailed(f"{host.args!r} does not end") from None
            if status:
                raise StageFailed(f"{host.args!r} ended with status {status}: see {self.directory}")

    def kill_server(self, number: int) -> None:
        kill_group(self.servers[number])

    def start_server(self, number: int) -> None:
        self.servers[number] = self._start_server(number)

    def kill_valkey(self) -> None:
        self.valkey.process.kill()
        self._valkey.close()

    def start_valkey(self) -> None:
        self.valkey = self._start_valkey()

    def writer_processes(self) -> dict[int, int]:
        """The process of each writer's slot, as last announced."""
        announced = (self.directory / "tests.torture.writers.out").read_text().splitlines()[1:]
        return {int(slot): int(process) for slot, process in map(str.split, announced)}

    # --- What can be seen of it ---

    def is_answering(self, number: int) -> bool:
        """Whether a server can be used."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask(number, "GET", "/healthz")[0] == 200
        return False

    def has_cache(self, number: int) -> bool:
        """Whether a server says that it can use the cache, all of it."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return bool(json.loads(self.ask(number, "GET", "/health")[1])["cache"] == "ok")
        return False

    def is_relaying(self) -> bool:
        """Whether a server relays; the classic algorithm has no relay."""
        return self.plan.algorithm != "ours" or self.relaying_server() is not None

    def relaying_server(self) -> int | None:
        """Which server relays; None if it has just been killed."""
        with contextlib.suppress(ProcessLookupError, ValueError):
            group = os.getpgid(find_relaying(self.database) or 0)
            return [server.pid for server in self.servers].index(group)
        return None

    def is_redis_answering(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.redis.ping())
        return False

    def ask(self, number: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, bytes]:
        """One request to one server on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[number], timeout=10)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()

    def wait_until(self, ready: Any, seconds: float = START_LIMIT_SECONDS) -> None:
        """Raises StageFailed if that takes longer, or a process has ended."""
        deadline = time.monotonic() + seconds
        while not ready():
            for process in self.servers:
                if process.poll() is not None:
                    raise StageFailed(f"{process.args!r} ended with status {process.returncode}: see {self.directory}")
            if time.monotonic() > deadline:
                raise StageFailed(f"not ready after {seconds} s: see {self.directory}")
            time.sleep(CHECK_SECONDS)

    def manage(self, *command: str, check: bool = True) -> str:
        """The output of a command in the environment of the servers."""
        with (self.directory / "commands.err").open("ab") as errors:
            ended = subprocess.run(
                command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=errors, check=check, timeout=120
            )
        return ended.stdout.decode()

    # --- Starting ---

    def _start_valkey(self) -> Engine:
        engine = self._valkey.enter_context(running_valkey(self.directory, port=self.redis_port, snapshots="3600 1"))
        if int(engine.address) != self.redis_port:
            raise StageFailed(f"port {self.redis_port} was taken while Redis was down")
        return engine

    def _start_server(self, number: int) -> subprocess.Popen[bytes]:
        command = server_command(Listener(port=self.ports[number], workers=1))
        return self._start(command, f"server-{number}", **self._skewed(number))

    def _skewed(self, number: int) -> dict[str, str]:
        """The variables that set a process's wall clock hours ahead, for each another time; not its monotonic clock."""
        if not self.plan.skew:
            return {}
        return {"PYTHONPATH": str(SKEWED), "PMO_SKEW_SECONDS": str(number * SKEW_SECONDS)}

    def _start_host(self, module: str, **environment: str) -> subprocess.Popen[bytes]:
        """A process that gets ready and waits for its orders."""
        return self._start([sys.executable, "-m", module], module, subprocess.PIPE, **environment)

    def _start(
        self, command: list[str], name: str, stdin: int = subprocess.DEVNULL, **environment: str
    ) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.out").open("ab") as out, (self.directory / f"{name}.err").open("ab") as err:
            process = start_process(
                command,
                farewell=signal.SIGTERM,
                cwd=ROOT,
                env=self.environment | environment,
                stdin=stdin,
                stdout=out,
                stderr=err,
            )
        self._stack.callback(_end, process)
        return process

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return inherited | {
            "DJANGO_SETTINGS_MODULE": self.settings,
            "DATA_DIR": str(self.directory),
            "SECRET_KEY": "only for this run, and for nobody outside of this machine",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CACHE_HOLD_MS": str(self.plan.hold_ms),
            "CACHE_LOCAL_LEASE_MS": str(self.plan.lease_ms),
            "CACHE_WRITE_POLICY": self.plan.write_policy,
            "REQUEST_BUDGET_MS": str(3 * WRITE_BUDGET_MS),  # so that half of it is more than the write budget
            "CACHE_RELAY": str(self.plan.algorithm == "ours"),
            "CACHE_AUDIT_SECONDS": "0",  # nothing may be repaired before it is judged
            "ACCESS_TOKEN_MINUTES": "1440",
            "LOG_LEVEL": "WARNING",
        }


@contextlib.contextmanager
def prepared_stage(plan: Plan, directory: Path) -> Iterator[Stage]:
    """Start everything but the load; whatever happens, nothing is left running."""
    with contextlib.ExitStack() as stack:
        yield Stage(plan, directory, stack)


def give_orders(host: subprocess.Popen[bytes], orders: str) -> None:
    assert host.stdin is not None
    with host.stdin:
        host.stdin.write(orders.encode())


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and its children, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    stop_process(process, signal.SIGTERM)


def _wake(stage: Stage) -> None:
    """A stopped process can't be asked to end."""
    if stage.valkey.process.poll() is None:
        stage.valkey.process.send_signal(signal.SIGCONT)
