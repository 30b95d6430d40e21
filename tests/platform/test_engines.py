"""The embedded engines, run by their keeper, on directories of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

import psycopg
import pytest
from redis import Redis

from pmo.run.embedded import EXIT_IN_USE, Endpoints
from pmo.run.restarts import MAX_SHORT_LIVES, STAYS_SECONDS, EndsAgainAndAgain, Restarts
from tests.platform.running import bare_environment, keeper, permissions_of, processes_of, wait_until_nothing_runs_on
from tests.servers import ROOT
from tests.waiting import wait_for


def valkey_of(endpoints: Endpoints) -> Redis:
    return Redis(endpoints.valkey.host, endpoints.valkey.port)


def test_data_is_kept_between_runs_wherever_its_directory_is_moved(tmp_path: Path) -> None:
    spaced, listed, long = tmp_path / "a directory", tmp_path / 'one,"two"', tmp_path / ("too long for a socket " * 6)
    (spaced / "postgres.unfinished").mkdir(parents=True)
    (spaced / "postgres.unfinished" / "PG_VERSION").write_text("of a first run that was interrupted")
    with keeper(spaced) as (_, endpoints):
        with psycopg.connect(endpoints.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        with valkey_of(endpoints) as client:
            client.set("kept", "1")
        assert permissions_of(spaced / "postgres") == "drwx------"
        assert permissions_of(spaced / "valkey") == "drwx------"
    assert processes_of(spaced) == []
    for before, after in ((spaced, listed), (listed, long)):
        before.rename(after)
        with keeper(after) as (_, endpoints):
            with psycopg.connect(endpoints.database_url) as connection:
                assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
            with valkey_of(endpoints) as client:
                assert client.get("kept") == b"1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_engines_end_with_a_killed_keeper_and_start_again_though_others_have_their_ids(tmp_path: Path) -> None:
    with keeper(tmp_path) as (process, _):
        process.kill()
        wait_until_nothing_runs_on(tmp_path)
    # After a reboot others have the ids they left: this run's own PostgreSQL, say, of the same account.
    stranger = (Path(os.environ["DATA_DIR"]) / "postgres" / "postmaster.pid").read_text().split()[0]
    data = tmp_path / "postgres"
    (data / "postmaster.pid").write_text(f"{stranger}\n{data}\n1763812345\n5432\n{data}\n\n\nready\n")
    (data / ".s.PGSQL.5432.lock").write_text(f"{stranger}\n{data}\n1763812345\n5432\n{data}\n")
    for file in data.glob("*.[pl]*"):
        os.chown(file, data.stat().st_uid, data.stat().st_gid)
    (tmp_path / "valkey" / "valkey.pid").write_text(f"{stranger}\n")
    with keeper(tmp_path) as (_, endpoints), psycopg.connect(endpoints.database_url) as connection:
        assert connection.info.status == psycopg.pq.ConnStatus.OK
    os.kill(int(stranger), 0)


def kill_valkey(directory: Path) -> None:
    os.kill(int((directory / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)


def wait_until_said(said: IO[bytes], words: str, times: int) -> None:
    wait_for(lambda: Path(said.name).read_text().count(words) >= times)


def test_a_killed_engine_is_started_again_alone_where_it_was_until_it_does_not_stay(tmp_path: Path) -> None:
    with (
        (tmp_path / "said").open("wb") as said,
        keeper(tmp_path, pause_seconds=0.05, stderr=said) as (process, endpoints),
    ):
        with psycopg.connect(endpoints.database_url) as connection:
            kill_valkey(tmp_path)
            wait_until_said(said, "Valkey runs again", 1)
            with valkey_of(endpoints) as client:
                assert client.ping()
            assert connection.execute("SELECT 1").fetchone() == (1,), "the other engine goes on"
        postmaster = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        wait_until_said(said, "PostgreSQL runs again", 1)
        with psycopg.connect(endpoints.database_url) as again:
            assert again.execute("SELECT 1").fetchone() == (1,)
        for time_again in range(2, MAX_SHORT_LIVES):
            kill_valkey(tmp_path)
            wait_until_said(said, "Valkey runs again", time_again)
        kill_valkey(tmp_path)
        assert process.wait(20) == 1
        assert f"Valkey ended {MAX_SHORT_LIVES} times" in (tmp_path / "said").read_text().splitlines()[-6]
    assert processes_of(tmp_path) == []


def test_what_stayed_is_started_again_soon_and_what_does_not_later_and_later() -> None:
    now = [0.0]
    restarts = Restarts("It", first_pause_seconds=1, clock=lambda: now[0])
    assert [restarts.ended("") for _ in range(3)] == [1, 2, 4]
    now[0] += STAYS_SECONDS
    assert restarts.ended("") == 1
    restarts.began()
    with pytest.raises(EndsAgainAndAgain, match="its log"):
        for _ in range(MAX_SHORT_LIVES):
            restarts.ended("its log")


def test_one_engine_alone_is_run_and_announced(tmp_path: Path) -> None:
    with keeper(tmp_path, "valkey") as (_, endpoints):
        assert endpoints.running == ("valkey",)
        assert Endpoints.of(tmp_path) == endpoints
        assert not (tmp_path / "postgres").exists()
    assert Endpoints.of(tmp_path) == Endpoints()


def test_valkey_takes_another_port_than_one_in_use_and_listens_on_loopback_only(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with keeper(tmp_path, "valkey", port=port) as (_, endpoints):
            assert endpoints.valkey.port != port
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", endpoints.valkey.port))


def test_a_second_keeper_leaves_a_directory_in_use_alone(tmp_path: Path) -> None:
    with keeper(tmp_path, "valkey") as (_, endpoints), valkey_of(endpoints) as client:
        second = subprocess.run(
            [sys.executable, "-m", "pmo.run.embedded", str(tmp_path)],
            cwd=ROOT,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert second.returncode == EXIT_IN_USE
        assert client.ping()
        assert Endpoints.of(tmp_path) == endpoints
