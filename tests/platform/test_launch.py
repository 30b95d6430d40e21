"""`make run`, started as a person starts it, and its engines, on directories of their own."""

import contextlib
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
import pytest
import requests
from redis import Redis

from pmo.processes import start_process
from pmo.run import restarts
from pmo.run.embedded import ENGINES, DirectoryInUse, Endpoints, keep_or_join_engines, running_engines
from pmo.run.engines.engine import Engine
from pmo.run.engines.valkey import HOST
from pmo.run.restarts import MAX_SHORT_LIVES, STAYS_SECONDS, DidNotStart, Part
from tests.docs.console import check_console_blocks, missing_programs
from tests.platform.running import (
    Launched,
    bare_environment,
    launched,
    permissions_of,
    processes_of,
    wait_until_nothing_runs_on,
)
from tests.servers import ROOT, free_port, run_program
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
    done = run_program(sys.executable, "-m", "pmo.run.launch", env=bare_environment(**variables))
    assert (done.returncode, done.stderr) == (1, "")
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


def valkey_of(endpoints: Endpoints) -> Redis:
    return Redis(HOST, endpoints.valkey_port)


def test_data_is_kept_between_runs_wherever_its_directory_is_moved(tmp_path: Path) -> None:
    spaced, listed, long = tmp_path / "a directory", tmp_path / 'one,"two"', tmp_path / ("too long for a socket " * 6)
    (spaced / "postgres.unfinished").mkdir(parents=True)
    (spaced / "postgres.unfinished" / "PG_VERSION").write_text("of a first run that was interrupted")
    with running_engines(spaced) as (endpoints, _):
        with psycopg.connect(endpoints.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        with valkey_of(endpoints) as client:
            client.set("kept", "1")
        assert permissions_of(spaced / "postgres") == "drwx------"
        assert permissions_of(spaced / "valkey") == "drwx------"
    assert processes_of(spaced) == []
    for before, after in ((spaced, listed), (listed, long)):
        before.rename(after)
        with running_engines(after) as (endpoints, _):
            with psycopg.connect(endpoints.database_url) as connection:
                assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
            with valkey_of(endpoints) as client:
                assert client.get("kept") == b"1"


RUN = """
import pathlib, sys
from pmo.run.embedded import running_engines
with running_engines(pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for tests that do not mind what others have done there: PostgreSQL's files are made once."""
    return tmp_path_factory.mktemp("engines")


def test_engines_end_with_whoever_runs_them_and_start_again_though_others_have_their_ids(directory: Path) -> None:
    command = [sys.executable, "-c", RUN, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    wait_until_nothing_runs_on(directory)
    # After a reboot others have the ids they left: this run's own PostgreSQL, say, of the same account.
    stranger = (Path(os.environ["DATA_DIR"]) / "postgres" / "postmaster.pid").read_text().split()[0]
    data = directory / "postgres"
    (data / "postmaster.pid").write_text(f"{stranger}\n{data}\n1763812345\n5432\n{data}\n\n\nready\n")
    (data / ".s.PGSQL.5432.lock").write_text(f"{stranger}\n{data}\n1763812345\n5432\n{data}\n")
    for file in data.glob("*.[pl]*"):
        os.chown(file, data.stat().st_uid, data.stat().st_gid)
    (directory / "valkey" / "valkey.pid").write_text(f"{stranger}\n")
    with running_engines(directory) as (endpoints, _), psycopg.connect(endpoints.database_url) as connection:
        assert connection.info.status == psycopg.pq.ConnStatus.OK
    os.kill(int(stranger), 0)


def kill(engine: Engine) -> None:
    """Kill an engine, and wait until it runs again."""
    killed = engine.process
    killed.kill()

    def is_back() -> bool:
        engine.check()
        return engine.process is not killed

    wait_for(is_back)


def test_a_killed_engine_is_started_again_alone_where_it_was_until_it_does_not_stay(
    directory: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "first_pause_seconds", 0.05)
    with running_engines(directory) as (endpoints, (valkey, postgres)):
        with psycopg.connect(endpoints.database_url) as connection:
            kill(valkey)
            with valkey_of(endpoints) as client:
                assert client.ping()
            assert connection.execute("SELECT 1").fetchone() == (1,), "the other engine goes on"
        kill(postgres)
        with psycopg.connect(endpoints.database_url) as again:
            assert again.execute("SELECT 1").fetchone() == (1,)
        said = capfd.readouterr().err
        assert "PostgreSQL was killed (SIGKILL): started again in 0.05 s, alone." in said
        for _ in range(2, MAX_SHORT_LIVES):
            kill(valkey)
        with pytest.raises(DidNotStart, match=f"Valkey ended {MAX_SHORT_LIVES} times"):
            kill(valkey)


class Brittle(Part):
    """It exits as soon as it is ready."""

    name = "It"
    first_pause_seconds = 1

    def launch(self) -> subprocess.Popen[bytes]:
        return start_process(["false"], farewell=signal.SIGTERM)

    def is_ready(self) -> bool:
        return self.process.wait() == 1

    def last_words(self) -> str:
        return "its log"


def test_what_stayed_is_started_again_soon_and_what_does_not_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(restarts, "monotonic", lambda: now[0])
    part = Brittle()
    part.start()

    def pause() -> float:
        """How long it was away."""
        part.check()
        assert part._due is not None
        seconds, now[0] = part._due - now[0], part._due
        part.check()
        return seconds

    assert [pause() for _ in range(3)] == [1, 2, 4]
    now[0] += STAYS_SECONDS
    assert [pause() for _ in range(4)] == [1, 2, 4, 8]
    with pytest.raises(DidNotStart, match="its log"):
        part.check()


def test_one_engine_alone_is_run_and_announced_and_its_directory_and_port_are_nobody_elses(tmp_path: Path) -> None:
    with (
        socket.create_server((HOST, 0)) as taken,
        running_engines(tmp_path, ["valkey"], port=taken.getsockname()[1]) as (endpoints, _),
        valkey_of(endpoints) as client,
    ):
        assert endpoints.running == ("valkey",)
        assert not (tmp_path / "postgres").exists()
        with pytest.raises(DirectoryInUse), running_engines(tmp_path):
            pass
        with contextlib.ExitStack() as stack:
            assert keep_or_join_engines(stack, tmp_path, ["valkey"], 1) == (endpoints, [])
            with pytest.raises(DidNotStart, match="without postgres: give it the same DATABASE_URL"):
                keep_or_join_engines(stack, tmp_path, ["valkey", "postgres"], 1)
        assert Endpoints.of(tmp_path) == endpoints
        assert client.ping(), "on another port than the one that is taken"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", endpoints.valkey_port))
    assert Endpoints.of(tmp_path) == Endpoints()
