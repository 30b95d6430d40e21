"""
What torture, outages, soak and benchmarks run: processes on engines of their own, which all end with this one.

They are started from one thread alone, since the kernel ends them with the thread that started them.
"""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pmo.environment.listener import Listener
from pmo.processes import start_process, stop_process
from pmo.serve import server_command
from tests import ROOT
from tests.waiting import wait_for

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
SECRET_KEY = "only for this run, and for nobody outside of this machine"
ANSWER_LIMIT_SECONDS = 15
LOG_SHOWN = 1_500
"""Characters of the log of a process that failed."""


class StageFailed(Exception):
    """A process did not start, or ended by itself, or an answer was wrong; the message says which."""


class Answer(NamedTuple):
    """A response; the names of its headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, method: str, path: str, token: str = "", body: Any = None, *, session: str = "") -> Answer:
    """One request to a server of this machine, on a connection of its own, by a token or a session of Django's."""
    with contextlib.closing(connection_to(port)) as connection:
        return send(connection, method, path, token, body, session=session)


def connection_to(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_SECONDS)


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    token: str = "",
    body: Any = None,
    *,
    session: str = "",
) -> Answer:
    """The same on a connection that may be used again."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {"Cookie": f"sessionid={session}"} if session else {}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, found, response.read())


def is_answering(port: int) -> bool:
    """Whether a server can be used."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(port, "GET", "/healthz").status == 200
    return False


def own_environment(directory: Path, database_url: str, **variables: str) -> dict[str, str]:
    """The environment of servers on a run's own engines; what configures this process is not inherited."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    own = {
        "DJANGO_SETTINGS_MODULE": "pmo.settings",
        "DATA_DIR": str(directory),
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": database_url,
    }
    return inherited | own | variables


class Processes:
    """Processes in one environment, whose output and logs are in `directory`, as NAME.out and NAME.err."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack, environment: dict[str, str]) -> None:
        self.directory, self.environment, self._stack = directory, environment, stack
        self._logs: dict[int, Path] = {}

    def start_server(self, port: int, name: str, *, workers: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """A web server of the platform; it need not answer yet."""
        return self.start(server_command(Listener(port=port, workers=workers)), name, **environment)

    def start(self, command: Sequence[str], name: str, **environment: str) -> subprocess.Popen[bytes]:
        """A process, which need not be ready yet."""
        log = self.directory / f"{name}.err"
        with (self.directory / f"{name}.out").open("ab") as out, log.open("ab") as err:
            process = start_process(
                command,
                farewell=signal.SIGTERM,
                cwd=ROOT,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._logs[process.pid] = log
        self._stack.callback(stop, process)
        return process

    def wait_until(
        self, is_ready: Callable[[], bool], *processes: subprocess.Popen[bytes], seconds: float = 60
    ) -> None:
        """
        Wait until it is so.

        Raises:
            StageFailed: that takes longer, or one of these processes has ended; with the end of its log.
        """

        def look() -> bool:
            for process in processes:
                if process.poll() is not None:
                    raise self._failed(process, f"ended with status {process.returncode}")
            return is_ready()

        try:
            wait_for(look, seconds)
        except TimeoutError as late:
            if processes:
                raise self._failed(processes[0], f"is not ready {late}") from None
            raise StageFailed(f"not ready {late}: see {self.directory}") from None

    def run(self, command: Sequence[str], *, check: bool = True, seconds: float = 900, **how: Any) -> str:
        """
        What a command prints.

        Raises:
            StageFailed: it failed, and `check`; with the end of its log.
        """
        printed = self.directory / "command.out"
        printed.unlink(missing_ok=True)
        process = self.start(command, "command", **how)
        if (status := process.wait(seconds)) and check:
            raise self._failed(process, f"ended with status {status}")
        return printed.read_text()

    def call(self, function: str, *arguments: Any, **how: Any) -> Any:
        """What `module:function` gives in a process with Django set up, by way of JSON; it raises what `run` does."""
        return json.loads(self.run([sys.executable, "-m", "tests.apart", function, json.dumps(arguments)], **how))

    def _failed(self, process: subprocess.Popen[bytes], how: str) -> StageFailed:
        log = self._logs[process.pid]
        return StageFailed(f"{log.stem} {how}: see {log}\n{_end_of(log)}")


def stop(process: subprocess.Popen[bytes]) -> None:
    stop_process(process, signal.SIGTERM)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_SHOWN:]
