"""`make run`, started as a person starts it, on a directory of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from pmo.run.embedded import ENGINES, Endpoints
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


def fetch(url: str, *, token: str = "", method: str = "GET", **body: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, url, json=body or None, headers=headers, timeout=10).json()


def login(launch: Launched) -> str:
    """A token for the first superuser."""
    password = (launch.directory / "admin_password").read_text()
    return str(fetch(f"{launch.url}/api/v1/auth/login", method="POST", username="admin", password=password)["token"])


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


def test_it_serves_as_the_pages_say_starts_again_what_is_killed_and_goes_on_after_it_was_killed_itself(
    tmp_path: Path,
) -> None:
    data = tmp_path / ".data"
    # The port that all take by default could be another test's by the time its engines start again.
    with launched(data, REDIS_PORT=str(free_port())) as first:
        assert fetch(f"{first.url}/health")["status"] == "ok"
        assert fetch(f"{first.url}/readyz")["status"] == "ok"
        assert f"password {(data / 'admin_password').read_text()}\n" in first.output
        assert permissions_of(data / "admin_password") == "-rw-------"
        if not missing_programs():
            check_console_blocks(first)
        with launched(data) as second:
            assert "of another `make run`" in second.output
            check_that_both_show_every_change(first, second)
            second.send(signal.SIGKILL)
            assert second.end() == -signal.SIGKILL  # nothing of it writes to its terminal any more
        assert fetch(f"{first.url}/health")["status"] == "ok"  # the second has left the engines running

        web = first.web_server()
        psutil.Process(web).children()[0].kill()
        first.wait_until_said("Unexpected exit from worker-1")
        for killed in (int((data / "valkey" / "valkey.pid").read_text()), web):
            os.kill(killed, signal.SIGKILL)
        first.wait_until_said("Valkey runs again", "The web server answers again")
        assert fetch(f"{first.url}/health")["status"] == "ok"
        first.send(signal.SIGKILL)
        assert first.end() == -signal.SIGKILL
        wait_until_nothing_runs_on(tmp_path)
    Endpoints("postgresql://gone@127.0.0.1:1/gone", 1, tuple(ENGINES)).announce(data)

    with launched(data, REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port())) as again:
        assert " 0 created" in again.output
        assert (data / "admin_password").read_text() not in again.output
        assert "The cache is not warmed" in again.output
        assert fetch(f"{again.url}/health")["status"] == "degraded"
        assert fetch(f"{again.url}/api/v1/entity/type/task", token=login(again))["label"] == "By SQL"
        assert Endpoints.of(data).running == ("postgres",)
        again.send(signal.SIGINT)
        begun = time.monotonic()
        assert again.end() == 0
        assert time.monotonic() - begun < 10
    assert processes_of(tmp_path) == []
    assert again.output.endswith("Stopped.\n")
    assert "Traceback" not in first.output + again.output


def check_that_both_show_every_change(first: Launched, second: Launched) -> None:
    token = login(first)
    fetch(f"{first.url}/api/v1/entity/task", token=token, method="PATCH", label="Chore")
    assert fetch(f"{second.url}/api/v1/entity/type/task", token=token)["label"] == "Chore"
    with psycopg.connect(Endpoints.of(first.directory).database_url, autocommit=True) as session:
        session.execute("UPDATE app.entity SET label = 'By SQL' WHERE code = 'task'")
    paths = [f"{each.url}/api/v1/entity/type/task" for each in (first, second)]
    wait_for(lambda: {fetch(path, token=token)["label"] for path in paths} == {"By SQL"})


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
