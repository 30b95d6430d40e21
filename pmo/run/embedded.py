"""
The embedded engines: a real PostgreSQL and a real Valkey from wheels, for development and tests.

`python -m pmo.run.embedded DIRECTORY` keeps both running, also when one is killed: it prints their endpoints as one
line of JSON, and stops them when its standard input closes, so they never outlive whoever started them, however that
one ends.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import select
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pmo.run.engines import postgres, valkey
from pmo.run.engines.engine import Engine, EngineFailed
from pmo.run.engines.kept import KeptEngine
from pmo.run.restarts import EndsAgainAndAgain

DATABASE = "pmo"
ENGINES = ("postgres", "valkey")
EXIT_IN_USE = 75  # EX_TEMPFAIL, sysexits.h
CHECK_SECONDS = 0.2
PAUSE_SECONDS = 5.0
"""Pause before the first restart of an engine: long enough to see how the platform copes without it."""


class DirectoryInUse(Exception):  # the name is the cause
    """Another process runs engines on this data directory."""


@dataclass(frozen=True)
class Programs:
    """Engine programs to use instead of the wheels' (None): PostgreSQL's folder, and a Valkey or Redis server."""

    postgres: Path | None = None
    valkey: Path | None = None


@dataclass(frozen=True)
class ValkeyEndpoint:
    host: str = valkey.HOST
    port: int = 6379


@dataclass(frozen=True)
class Endpoints:
    """Where the engines of a data directory listen; for those not in `running`, where they would."""

    database_url: str = f"postgresql://postgres@/{DATABASE}"
    valkey: ValkeyEndpoint = ValkeyEndpoint()
    running: tuple[str, ...] = ()

    @classmethod
    def of(cls, directory: Path) -> Endpoints:
        """The endpoints last announced in `directory`; after a crash they may be dead."""
        try:
            return cls.parse(_endpoints_file(directory).read_bytes())
        except FileNotFoundError:
            return cls()

    @classmethod
    def parse(cls, announced: bytes) -> Endpoints:
        """Parse the output of `json()`."""
        found: dict[str, Any] = json.loads(announced)
        return cls(found["database_url"], ValkeyEndpoint(**found["valkey"]), tuple(found["running"]))

    def json(self) -> str:
        return json.dumps(asdict(self))

    def announce(self, directory: Path) -> None:
        """Publish them to other processes, atomically."""
        unfinished = directory / "endpoints.unfinished"
        unfinished.write_text(self.json())
        unfinished.replace(_endpoints_file(directory))


def _endpoints_file(directory: Path) -> Path:
    return directory / "endpoints.json"


def read_or_create_secret(file: Path, length_bytes: int = 48) -> str:
    """The secret in `file`, readable only by its owner; created on first use."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text()
    file.parent.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(length_bytes)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secret)
    try:
        os.link(fresh, file)  # fails if another process was first, whose secret is then used
    except FileExistsError:
        secret = file.read_text()
    finally:
        fresh.unlink()
    return secret


@contextlib.contextmanager
def exclusive_lock(file: Path, *, wait: bool) -> Iterator[None]:
    """
    Hold the file lock while the block runs; it ends with this process.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
    """
    with file.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextlib.contextmanager
def running_engines(
    directory: Path,
    *,
    engines: Collection[str] = ENGINES,
    port: int | None = None,
    snapshots: str = "60 1",
    durable: bool = True,
    programs: Programs = Programs(),
) -> Iterator[Endpoints]:
    """
    Run PostgreSQL and Valkey on the data under `directory` while the block runs.

    Args:
        engines: which of `ENGINES`.
        port: Valkey's TCP port; another free one if it is in use.
        snapshots: Valkey's `save` setting, as "seconds changes"; empty for no snapshots.
        durable: False for a disposable database: faster, but lost in a power cut.
        programs: what to run instead of the wheels' programs.
    Raises:
        DirectoryInUse: another process runs engines on `directory`.
        EngineFailed: an engine did not start.
    """
    with _kept_engines(directory, engines, port=port, snapshots=snapshots, durable=durable, programs=programs) as kept:
        yield kept[0]


@contextlib.contextmanager
def _kept_engines(
    directory: Path,
    engines: Collection[str],
    *,
    port: int | None,
    snapshots: str = "60 1",
    durable: bool = True,
    programs: Programs = Programs(),
    pause_seconds: float = PAUSE_SECONDS,
) -> Iterator[tuple[Endpoints, list[KeptEngine]]]:
    directory = directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    running: list[KeptEngine] = []
    database_url, endpoint = Endpoints.database_url, ValkeyEndpoint()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(directory / "engines.lock", wait=False))
        except BlockingIOError:
            raise DirectoryInUse(f"Another process runs engines on {directory}.") from None
        _endpoints_file(directory).unlink(missing_ok=True)
        if "valkey" in engines:

            def start_valkey(address: str | None) -> AbstractContextManager[Engine]:
                return valkey.running_valkey(
                    directory,
                    port=int(address) if address else port,
                    exactly=bool(address),
                    snapshots=snapshots,
                    program=programs.valkey,
                )

            meanwhile = "Answers come from the database meanwhile (X-Cache: BYPASS)."
            running.append(KeptEngine(stack, start_valkey, meanwhile, pause_seconds))
            endpoint = ValkeyEndpoint(port=int(running[-1].engine.address))
        if "postgres" in engines:
            sockets = stack.enter_context(postgres.socket_directory(directory, programs.postgres))

            def start_postgres(_: str | None) -> AbstractContextManager[Engine]:
                return postgres.running_postgres(
                    directory, durable=durable, programs=programs.postgres, sockets=sockets
                )

            meanwhile = "What is cached is answered meanwhile."
            running.append(KeptEngine(stack, start_postgres, meanwhile, pause_seconds))
            database_url = postgres.url_of(running[-1].engine, DATABASE)
            _create_database(running[-1].engine)
        endpoints = Endpoints(database_url, endpoint, tuple(engines))
        stack.callback(_endpoints_file(directory).unlink, missing_ok=True)
        endpoints.announce(directory)
        yield endpoints, running


def _create_database(engine: Engine) -> None:
    from psycopg import connect, sql

    with connect(postgres.url_of(engine, "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one signal is enough: shutdown is not interrupted
    sys.exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pmo.run.embedded", description=__doc__)
    parser.add_argument("directory", type=Path, help="where their data is kept")
    parser.add_argument("engines", nargs="*", metavar="|".join(ENGINES), help="which to run; both if none is named")
    parser.add_argument("--port", type=int, default=ValkeyEndpoint.port, help="Valkey's port, if it is free")
    parser.add_argument("--pause", type=float, default=PAUSE_SECONDS, help="seconds before one is started again")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    try:
        with _kept_engines(
            arguments.directory,
            arguments.engines or ENGINES,
            port=arguments.port,
            pause_seconds=arguments.pause,
        ) as (endpoints, running):
            sys.stdout.write(endpoints.json() + "\n")
            sys.stdout.flush()
            while not select.select([sys.stdin], [], [], CHECK_SECONDS)[0]:
                for engine in running:
                    engine.check()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except DirectoryInUse:
        sys.exit(EXIT_IN_USE)
    except (EngineFailed, EndsAgainAndAgain, OSError) as failure:
        sys.exit(f"The embedded engines: {failure}")


if __name__ == "__main__":
    main()
