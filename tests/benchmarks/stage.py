"""
The processes of a run: PostgreSQL, Valkey and one server for each contender. All of them end with this one.

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
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis

from pmo.embedded import running_engines
from pmo.listener import Listener
from pmo.processes import start_process, stop_process
from pmo.serve import server_command
from tests.benchmarks.contenders import CONSTANT, CONTENDERS, OURS_LOADER, Contender
from tests.benchmarks.contenders.constant import ANSWER_VARIABLE
from tests.benchmarks.cores import Cores
from tests.benchmarks.rows import HOT, copy_database, hot_codes, insert_rows
from tests.torture.stage import OURS, ROOT, StageFailed, find_port

START_LIMIT_SECONDS = 60
CHECK_SECONDS = 0.02
NOT_THE_APPLICATIONS = ("server", "date", "connection")
"""Headers that the web server adds by itself."""
GROUP_FIELD, USER_TICKS_FIELD = 2, 11
"""Behind the program's name in /proc/PID/stat, proc(5)."""
MANY_REDIS_DB, RAW_REDIS_DB = 8, 9


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """One contender's server."""

    def __init__(self, contender: Contender, port: int, process: subprocess.Popen[bytes]) -> None:
        self.contender, self.port, self.process = contender, port, process

    def ask(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def processor_seconds(self) -> float:
        """Of all its processes so far (Linux; 0 elsewhere)."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[GROUP_FIELD]) == self.process.pid:
                    ticks += int(fields[USER_TICKS_FIELD]) + int(fields[USER_TICKS_FIELD + 1])
        return ticks / os.sysconf("SC_CLK_TCK")

    def is_answering(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("", "GET", "/healthz").status == 200
        return False


class Stage:
    """Running engines with rows in them, and servers on request; made by `prepared_stage`."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.directory, self._stack, self.cores = directory, stack, Cores()
        stack.enter_context(self.cores.given(self.cores.rest))
        engines = stack.enter_context(running_engines(directory, snapshots="", durable=False))
        self.database_url, self.redis_port = engines.database_url, engines.valkey.port
        self.many_database_url = ""
        self.servers: dict[str, Server] = {}
        prepared = self.run_module("tests.benchmarks.rows", {})
        self.token: str = prepared["token"]

    def insert_rows(self, *, many: int) -> None:
        """The usual rows; `many` of them in a database of their own, unless that is 0."""
        if many:
            self.many_database_url = copy_database(self.database_url, "many")
            insert_rows(self.many_database_url, many, [])
        insert_rows(self.database_url, HOT, list(CONTENDERS))

    def redis(self, database: int = 0) -> Redis:
        """A client of one database, closed at the end."""
        client = Redis(port=self.redis_port, db=database, protocol=2, socket_timeout=60)
        self._stack.callback(client.close)
        return client

    def start_servers(self, contenders: Sequence[Contender]) -> None:
        """
        Start what is not running yet and wait until it answers.

        Raises:
            StageFailed: one ended or stayed silent; its log's last lines are in the message.
        """
        asked = [each for each in contenders if each.name not in self.servers]
        for contender in (each for each in asked if each.name != CONSTANT):
            self.servers[contender.name] = self.start_server(contender)
        for contender in (each for each in asked if each.name != CONSTANT):
            self.wait_for(self.servers[contender.name])
        if any(each.name == CONSTANT for each in asked):
            self._write_constant_answer()
            self.servers[CONSTANT] = self.start_server(CONTENDERS[CONSTANT])
            self.wait_for(self.servers[CONSTANT])

    def start_server(
        self,
        contender: Contender,
        *,
        workers: int = 1,
        cores: list[int] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Server:
        """
        A new server of a contender, on the server's core; it need not answer yet.

        Args:
            options: of Granian, in place of those of `pmo.serve`.
        """
        port = find_port()
        command = [
            contender.application if part == OURS_LOADER else part
            for part in server_command(Listener(port=port, workers=workers))
        ]
        for name, value in (options or {}).items():
            command += [f"--{name}", value]
        environment = self.environment(contender.redis_db) | dict(contender.environment)
        environment |= {"DJANGO_SETTINGS_MODULE": contender.settings, ANSWER_VARIABLE: str(self._answer_file())}
        name = f"{contender.name}-{port}"
        with (
            (self.directory / f"{name}.log").open("ab") as log,
            self.cores.given(self.cores.server if cores is None else cores),
        ):
            process = start_process(
                command,
                farewell=signal.SIGTERM,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        server = Server(contender, port, process)
        self._stack.callback(self.stop_server, server)
        return server

    def stop_server(self, server: Server) -> None:
        stop_process(server.process, signal.SIGTERM)
        if self.servers.get(server.contender.name) is server:
            del self.servers[server.contender.name]

    def wait_for(self, server: Server) -> None:
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not server.is_answering():
            if server.process.poll() is not None or time.monotonic() > deadline:
                log = (self.directory / f"{server.contender.name}-{server.port}.log").read_text(errors="replace")
                raise StageFailed(f"the server of {server.contender.name} does not answer:\n{log[-1500:]}")
            time.sleep(CHECK_SECONDS)

    def run_module(
        self, module: str, environment: Mapping[str, str], *arguments: str, on_server_core: bool = False
    ) -> Any:
        """The JSON that a module prints, run in the environment of our servers."""
        cores = self.cores.server if on_server_core else self.cores.rest
        log = self.directory / f"{module}.log"
        with log.open("ab") as errors, self.cores.given(cores):
            ended = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self.environment(0) | {"DJANGO_SETTINGS_MODULE": "pmo.settings"} | dict(environment),
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
                timeout=900,
            )
        if ended.returncode:
            raise StageFailed(f"{module} failed:\n{log.read_text(errors='replace')[-1500:]}")
        return json.loads(ended.stdout)

    def environment(self, redis_db: int) -> dict[str, str]:
        """Variables of a production server on this stage's engines."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return inherited | {
            "ENVIRONMENT": "production",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "BEHIND_TLS_PROXY": "false",
            "DATA_DIR": str(self.directory),
            "SECRET_KEY": "only for this run, and for nobody outside of this machine",
            "DATABASE_URL": self.database_url,
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.redis_port),
            "REDIS_DB": str(redis_db),
            "ACCESS_TOKEN_MINUTES": "1440",
            "CACHE_RELAY": "false",  # what it asks of the engines would be counted with what requests ask
        }

    def _write_constant_answer(self) -> None:
        """What ours gives for the first hot code, from memory."""
        ours = self.servers["lane"] if "lane" in self.servers else self.servers["django"]
        path = f"/api/v1/entity/type/{hot_codes()[0]}"
        ours.ask(self.token, "GET", path)
        answer = ours.ask(self.token, "GET", path)
        if answer.status != 200:
            raise StageFailed(f"{ours.contender.name} answers {answer.status}: {answer.body[:200]!r}")
        headers = [(name, value) for name, value in answer.headers.items() if name not in NOT_THE_APPLICATIONS]
        told = {"status": f"{answer.status} OK", "headers": headers, "body": answer.body.decode()}
        self._answer_file().write_text(json.dumps(told))

    def _answer_file(self) -> Path:
        return self.directory / "answer.json"


@contextlib.contextmanager
def prepared_stage(keep: Path | None = None) -> Iterator[Stage]:
    """Start the engines and make the tables; whatever happens, nothing is left running."""
    with contextlib.ExitStack() as stack:
        if keep is None:
            keep = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-benchmark-")))
        keep.mkdir(parents=True, exist_ok=True)
        yield Stage(keep, stack)
