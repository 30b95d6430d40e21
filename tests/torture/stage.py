"""The processes of one run: PostgreSQL, Valkey, web servers, writers, readers."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from pmo.run.embedded import running_engines
from tests import ROOT
from tests.benchmarks.contenders import CONTENDERS
from tests.forking import ForkedProcess
from tests.relays import find_relaying
from tests.stage import Answer, Processes, StageFailed, ask, is_answering, own_environment, stop
from tests.topologies import Cluster, Sentinels, Server, find_port, running
from tests.torture.orders import Orders
from tests.torture.plan import CALM_CODE, QUIET_CODE, WRITE_BUDGET_MS, Plan
from tests.waiting import wait_for

STOP_LIMIT_SECONDS = 45
METRICS_TOKEN = "x" * 32
NOTICED_MS = 4_500
"""How long a primary is silent before its replica may take over: more than `min-replicas-max-lag` and a second."""
SKEWED = Path(__file__).resolve().parent / "skewed"
SKEW_SECONDS = 4_321
"""Between the wall clocks of two servers: more than an hour, and no whole number of anything."""
SNAPSHOTS = ("--save", "3600", "1", "--stop-writes-on-bgsave-error", "no", "--maxmemory-policy", "noeviction")
READERS, WRITERS = "tests.torture.readers", "tests.torture.writers"


class Stage(Processes):
    """
    A running system; made by `prepared_stage`.

    Attributes:
        trees: whose code each server runs. The first prepares the database, and only its servers are there from the
            beginning; the last is that of commands, and of the writers that use Django's models.
        servers: those that run, by number.
    """

    def __init__(self, plan: Plan, directory: Path, stack: contextlib.ExitStack, trees: Sequence[Path]) -> None:
        self.plan, self.trees = plan, trees
        self.ports = [find_port() for _ in range(plan.servers)]
        endpoints, _ = stack.enter_context(running_engines(directory / "postgres", ["postgres"], durable=False))
        self.database_url = endpoints.database_url
        self.directory = directory
        self.redis: Any
        if plan.topology == "single":
            self.valkey = Server(directory / "valkey", SNAPSHOTS)
            stack.callback(self.valkey.stop)
            self.valkey.start()
            wait_for(self.valkey.answers)
            self.redis_url = f"redis://127.0.0.1:{self.valkey.port}/0"
            self.redis = Redis(port=self.valkey.port, socket_timeout=10)
        else:
            topology = {"sentinel": Sentinels, "cluster": Cluster}[plan.topology](directory, NOTICED_MS)
            self.topology: Any = stack.enter_context(running(topology))
            self.redis_url, self.redis = self.topology.url, self.topology.client()
        stack.callback(self.redis.close)
        super().__init__(directory, stack, self._environment())
        self.is_upgrade = trees[0] != trees[-1]
        prepare, codes = "tests.torture.prepare:prepare_database", [*plan.codes, QUIET_CODE, CALM_CODE]
        self.token: str = self.call(prepare, codes, self.is_upgrade, tree=trees[0])
        self.database = stack.enter_context(psycopg.connect(self.database_url, autocommit=True))
        first = [number for number, tree in enumerate(trees) if tree == trees[0]]
        self.servers = {number: self._start_server(number) for number in first}
        self.writer_host, self.reader_host = (
            self.start([sys.executable, "-m", module], module, DATABASE_POOL_SIZE="0") for module in (WRITERS, READERS)
        )
        ports = [self.ports[number] for number in first]
        self.wait_until(lambda: all(map(is_answering, ports)) and self.is_relaying(), *self.servers.values())
        self.wait_until(lambda: self._said_by_writers() == ["ready"], self.writer_host)

    # --- What the run does to it ---

    def start_load(self, until_ns: int) -> None:
        """Start readers and writers; the writers begin their last writes before `until_ns`, the readers end later."""
        self.orders = Orders(self.plan, self.ports, self.token, self.database_url, until_ns, self.directory)
        if not self.is_upgrade:
            self.orders.migrated.touch()
        self.orders.give()

    def end_load(self) -> None:
        """Have no write begin any more, whatever was said when the load was started."""
        self.orders.over.touch()

    def wait_for_load(self) -> None:
        """Until the last write and the last read have ended."""
        for host in (self.writer_host, self.reader_host):
            try:
                status = host.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                raise StageFailed(f"{host.args!r} does not end") from None
            if status:
                raise self._failed(host, f"ended with status {status}")

    def kill_server(self, number: int) -> None:
        """SIGKILL to it and its workers, at once."""
        if self.servers[number].poll() is None:
            os.killpg(self.servers[number].pid, signal.SIGKILL)
            self.servers[number].wait()

    def stop_server(self, number: int) -> None:
        """As whoever replaces it does: it answers what is under way, and ends."""
        stop(self.servers.pop(number))

    def replace_server(self, number: int) -> None:
        self.servers[number] = self._start_server(number)

    def writer_processes(self) -> dict[int, int]:
        """The process of each writer's slot, as last announced."""
        return {int(slot): int(process) for slot, process in map(str.split, self._said_by_writers()[1:])}

    def audit(self) -> list[str]:
        """What `audit_cache` says."""
        command = [sys.executable, "manage.py", "audit_cache", "--no-repair"]
        return self.run(command, check=False).strip().splitlines()

    # --- What can be seen of it ---

    def ask(self, number: int, path: str, token: str = "") -> Answer:
        """A reading request to one server."""
        return ask(self.ports[number], "GET", path, token or self.token)

    def has_cache(self, number: int) -> bool:
        """Whether a server says that it can use the cache, all of it."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return bool(json.loads(self.ask(number, "/health").body)["cache"] == "ok")
        return False

    def is_relaying(self) -> bool:
        """Whether a server relays; the classic algorithm has no relay."""
        return self.plan.algorithm != "ours" or self.relaying_server() is not None

    def relaying_server(self) -> int | None:
        """Which server relays; None if it has just been killed."""
        with contextlib.suppress(ProcessLookupError, ValueError):
            group = os.getpgid(find_relaying(self.database) or 0)
            return {server.pid: number for number, server in self.servers.items()}.get(group)
        return None

    # --- Starting ---

    def start(
        self, command: Sequence[str], name: str, *, tree: Path | None = None, **environment: str
    ) -> ForkedProcess:
        """A process, by the code of the last tree if not of `tree`."""
        process = ForkedProcess(
            command,
            tree=tree or self.trees[-1],
            environment=self.environment | environment,
            directory=self.directory,
            out=self.directory / f"{name}.out",
            err=(log := self.directory / f"{name}.err"),
        )
        self._logs[process.pid] = log
        self._stack.callback(stop, process)
        return process

    def _start_server(self, number: int) -> Any:
        contender, name = CONTENDERS["lane" if self.plan.algorithm == "ours" else "classic"], f"server-{number}"
        command = contender.server_command(self.ports[number])
        environment = {"DJANGO_SETTINGS_MODULE": contender.settings, **contender.environment}
        if self.plan.skew:  # the wall clock is hours ahead, of each by another time; the monotonic one is not
            skewed = {"PYTHONPATH": str(SKEWED), "PMO_SKEW_SECONDS": str(number * SKEW_SECONDS)}
            return super().start(command, name, **skewed, **environment)  # Python itself reads the first
        return self.start(command, name, tree=self.trees[number], **environment)

    def _said_by_writers(self) -> list[str]:
        return (self.directory / f"{WRITERS}.out").read_text().splitlines()

    def _environment(self) -> dict[str, str]:
        return own_environment(self.directory, self.database_url) | {
            "METRICS_TOKEN": METRICS_TOKEN,
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
def prepared_stage(plan: Plan, directory: Path, trees: Sequence[Path] = ()) -> Iterator[Stage]:
    """Start everything but the load; whatever happens, nothing is left running."""
    with contextlib.ExitStack() as stack:
        yield Stage(plan, directory, stack, trees or [ROOT] * plan.servers)
