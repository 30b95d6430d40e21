"""
The processes of a run: the engines and one server for each contender. All of them end with this one.

They are started from one thread alone, since the kernel ends them with the thread that started them.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pmo.environment.listener import Listener
from pmo.processes import start_process, stop_process
from pmo.serve import server_command
from tests.benchmarks.contenders import CONSTANT, CONTENDERS, OURS_LOADER, Contender
from tests.benchmarks.contenders.constant import ANSWER_VARIABLE
from tests.benchmarks.engines import Engines
from tests.benchmarks.rows import hot_codes, libpq_variables
from tests.benchmarks.server import Server
from tests.torture.stage import ROOT, StageFailed, find_port

START_LIMIT_SECONDS = 60
CHECK_SECONDS = 0.02
NOT_THE_APPLICATIONS = ("server", "date", "connection")
"""Headers that the web server adds by itself."""


class Stage(Engines):
    """Running engines with rows in them, and servers on request; made by `prepared_stage`."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        super().__init__(directory, stack)
        self.servers: dict[str, Server] = {}

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
        command = list(contender.command) or [
            contender.application if part == OURS_LOADER else part
            for part in server_command(Listener(port=port, workers=workers))
        ]
        for name, value in (options or {}).items():
            command += [f"--{name}", value]
        environment = self.environment(contender.redis_db) | dict(contender.environment)
        environment |= {"DJANGO_SETTINGS_MODULE": contender.settings, ANSWER_VARIABLE: str(self._answer_file())}
        if contender.command:
            environment |= {"PORT": str(port), "NODE_ENV": "production"} | libpq_variables(self.database_url)
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
