"""The embedded engines, run by their keeper, on directories of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from pmo.embedded import EXIT_IN_USE, Endpoints
from tests.platform.running import bare_environment, keeper, permissions_of, processes_of, wait_until_nothing_runs_on
from tests.servers import ROOT


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
            [sys.executable, "-m", "pmo.embedded", str(tmp_path)],
            cwd=ROOT,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert second.returncode == EXIT_IN_USE
        assert client.ping()
        assert Endpoints.of(tmp_path) == endpoints
