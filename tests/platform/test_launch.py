"""`make run`, started as a person starts it, on a directory of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg

from pmo.processes import children_of
from pmo.run.embedded import ENGINES, Endpoints, ValkeyEndpoint
from tests.docs.console import check_console_blocks, missing_programs
from tests.platform.running import (
    Launched,
    bare_environment,
    launched,
    permissions_of,
    processes_of,
    wait_until_nothing_runs_on,
)
from tests.servers import ROOT, free_port
from tests.waiting import wait_for


def fetch(url: str, *, token: str = "", method: str | None = None, **body: str) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def login(launch: Launched) -> str:
    """A token for the first superuser."""
    password = (launch.directory / "admin_password").read_text()
    return str(fetch(f"{launch.url}/api/v1/auth/login", username="admin", password=password)["token"])


def refused(**variables: str) -> str:
    """What a launch says that cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "pmo.run.launch"],
        cwd=ROOT,
        env=bare_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == ""
    return done.stdout


def test_a_first_run_serves_alone_as_the_pages_say_and_with_a_second_server_until_ctrl_c(tmp_path: Path) -> None:
    data = tmp_path / ".data"
    with launched(data) as first:
        assert fetch(f"{first.url}/health")["status"] == "ok"
        assert fetch(f"{first.url}/readyz")["status"] == "ok"
        assert f"password {(data / 'admin_password').read_text()}\n" in first.output
        assert permissions_of(data / "admin_password") == "-rw-------"
        if not missing_programs():
            check_console_blocks(first)
        token = login(first)
        with launched(data) as second:
            assert "of another `make run`" in second.output
            fetch(f"{first.url}/api/v1/entity/task", token=token, method="PATCH", label="Chore")
            assert fetch(f"{second.url}/api/v1/entity/type/task", token=token)["label"] == "Chore"
            with psycopg.connect(Endpoints.of(data).database_url, autocommit=True) as session:
                session.execute("UPDATE app.entity SET label = 'By SQL' WHERE code = 'task'")
            paths = [f"{each.url}/api/v1/entity/type/task" for each in (first, second)]
            wait_for(lambda: {fetch(path, token=token)["label"] for path in paths} == {"By SQL"})
            second.send(signal.SIGKILL)
            assert second.end() == -signal.SIGKILL  # nothing of it writes to its terminal any more
        assert fetch(f"{first.url}/health")["status"] == "ok"  # the second has left the engines running
        first.send(signal.SIGINT)
        begun = time.monotonic()
        assert first.end() == 0
        assert time.monotonic() - begun < 10
    assert processes_of(tmp_path) == []
    assert first.output.endswith("Stopped.\n")
    assert "Traceback" not in first.output


def test_without_redis_it_serves_a_killed_one_leaves_nothing_and_a_second_run_starts_again_what_is_killed(
    tmp_path: Path,
) -> None:
    with launched(tmp_path, REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port())) as killed:
        assert "The cache is not warmed" in killed.output
        assert fetch(f"{killed.url}/health")["status"] == "degraded"
        assert fetch(f"{killed.url}/api/v1/entity/type/task", token=login(killed))["label"] == "Task"
        assert not (tmp_path / "valkey").exists()
        killed.send(signal.SIGKILL)
        assert killed.end() == -signal.SIGKILL
        wait_until_nothing_runs_on(tmp_path)
    Endpoints("postgresql://gone@127.0.0.1:1/gone", ValkeyEndpoint(port=1), ENGINES).announce(tmp_path)

    # The port that all take by default could be another test's by the time its engines start again.
    with launched(tmp_path, REDIS_PORT=str(free_port())) as second:
        assert fetch(f"{second.url}/health")["status"] == "ok"
        assert " 0 created" in second.output
        assert (tmp_path / "admin_password").read_text() not in second.output
        web = second.web_server()
        os.kill(children_of(web).pop(), signal.SIGKILL)
        second.wait_until_said("A web worker ended")
        for killed_pid in (int((tmp_path / "valkey" / "valkey.pid").read_text()), web):
            os.kill(killed_pid, signal.SIGKILL)
        second.wait_until_said("Valkey runs again", "The web server answers again")
        assert fetch(f"{second.url}/health")["status"] == "ok"
        second.send(signal.SIGINT)
        assert second.end() == 0
    assert processes_of(tmp_path) == []


def test_a_taken_port_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(PORT=str(port), DATA_DIR=str(tmp_path))
    assert re.fullmatch(rf"Port {port} is taken\. .* PORT=\d+ make run\n", said)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_is_said_without_its_password(tmp_path: Path) -> None:
    said = refused(
        DATA_DIR=str(tmp_path),
        PORT=str(free_port()),
        DATABASE_URL="postgresql://pmo:hush@127.0.0.1:1/pmo",
        REDIS_HOST="127.0.0.1",
    )
    assert said.startswith("The database cannot be reached (DATABASE_URL):")
    assert "hush" not in said
    assert not (tmp_path / "postgres").exists()
