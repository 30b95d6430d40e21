"""The embedded engines, on directories of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from pmo.processes import start_process
from pmo.run import restarts
from pmo.run.embedded import DirectoryInUse, Endpoints, keep_or_join_engines, running_engines
from pmo.run.engines.engine import Engine
from pmo.run.engines.valkey import HOST
from pmo.run.restarts import MAX_SHORT_LIVES, STAYS_SECONDS, DidNotStart, Part
from tests.platform.running import permissions_of, processes_of, wait_until_nothing_runs_on
from tests.servers import ROOT
from tests.waiting import wait_for


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
