"""The embedded engines: a real PostgreSQL and a real Valkey from wheels, for development and tests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from pmo.run.engines.engine import Engine
from pmo.run.engines.postgres import Postgres, socket_directory
from pmo.run.engines.valkey import Valkey
from pmo.run.restarts import DidNotStart

DATABASE, VALKEY_PORT = "pmo", 6379
ENGINES: dict[str, type[Engine]] = {"postgres": Postgres, "valkey": Valkey}
JOIN_LIMIT_SECONDS = 60
JOIN_CHECK_SECONDS = 0.2


class DirectoryInUse(Exception):  # the name is the cause
    """Another process runs engines on this data directory."""


class Endpoints(msgspec.Struct, frozen=True):
    """Where the engines of a data directory listen; for those not in `running`, where they would."""

    database_url: str = f"postgresql://postgres@/{DATABASE}"
    valkey_port: int = VALKEY_PORT
    running: tuple[str, ...] = ()

    @classmethod
    def of(cls, directory: Path) -> Endpoints:
        """The endpoints last announced in `directory`; after a crash they may be dead."""
        try:
            return msgspec.json.decode(_endpoints_file(directory).read_bytes(), type=cls)
        except FileNotFoundError:
            return cls()

    def announce(self, directory: Path) -> None:
        """Publish them to other processes, atomically."""
        unfinished = directory / "endpoints.unfinished"
        unfinished.write_bytes(msgspec.json.encode(self))
        unfinished.replace(_endpoints_file(directory))


def _endpoints_file(directory: Path) -> Path:
    return directory / "endpoints.json"


def read_or_create_secret(file: Path, length_bytes: int = 48) -> str:
    """The secret in `file`, readable only by its owner; created on first use."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text()
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as fresh:  # mode 0600
        fresh.write(secrets.token_urlsafe(length_bytes))
        fresh.flush()
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(fresh.name, file)
    return file.read_text()


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
    engines: Collection[str] = tuple(ENGINES),
    *,
    port: int | None = None,
    durable: bool = True,
    postgres_programs: Path | None = None,
    valkey_program: Path | None = None,
) -> Iterator[tuple[Endpoints, list[Engine]]]:
    """
    Run PostgreSQL and Valkey on the data under `directory` while the block runs.

    Yields where they listen, and the engines: whoever checks them has them restarted when they exit.

    Args:
        engines: the names of those to run.
        port: Valkey's TCP port; another free one if it is in use.
        durable: False for disposable data: faster, but PostgreSQL's is lost in a power cut, and Valkey's when it ends.
        postgres_programs: the folder of `postgres` and `initdb`, 15 or later; the wheel's by default.
        valkey_program: a Valkey or Redis server; the wheel's by default.
    Raises:
        DirectoryInUse: another process runs engines on `directory`.
        DidNotStart: an engine did not start.
    """
    directory = directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    running: list[Engine] = []
    endpoints = Endpoints(running=tuple(engines))
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(directory / "engines.lock", wait=False))
        except BlockingIOError:
            raise DirectoryInUse(f"Another process runs engines on {directory}.") from None
        _endpoints_file(directory).unlink(missing_ok=True)
        if "valkey" in engines:
            valkey = stack.enter_context(Valkey(directory, port=port, durable=durable, program=valkey_program))
            running.append(valkey)
            endpoints = msgspec.structs.replace(endpoints, valkey_port=valkey.port)
        if "postgres" in engines:
            sockets = stack.enter_context(socket_directory(directory, postgres_programs))
            postgres = stack.enter_context(Postgres(directory, sockets, durable=durable, programs=postgres_programs))
            running.append(postgres)
            endpoints = msgspec.structs.replace(endpoints, database_url=postgres.url(DATABASE))
            _create_database(postgres)
        stack.callback(_endpoints_file(directory).unlink, missing_ok=True)
        endpoints.announce(directory)
        yield endpoints, running


def _create_database(postgres: Postgres) -> None:
    from psycopg import connect, sql

    with connect(postgres.url("postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def keep_or_join_engines(
    stack: contextlib.ExitStack, directory: Path, engines: Collection[str], port: int
) -> tuple[Endpoints, list[Engine]]:
    """
    Keep engines running while `stack` is open, as `running_engines` does; or join those another process runs there.

    Returns:
        where they listen, and those to be checked: none if they are another process's.
    Raises:
        DidNotStart: they do not start, or another process there runs only some of them.
    """
    deadline = time.monotonic() + JOIN_LIMIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(DirectoryInUse):
            return stack.enter_context(running_engines(directory, engines, port=port))
        endpoints = Endpoints.of(directory)
        if endpoints.running:
            if missing := set(engines) - set(endpoints.running):
                raise DidNotStart(
                    f"Another process uses {directory} without {' or '.join(missing)}: give it the same DATABASE_URL"
                    " and REDIS_HOST, or set another DATA_DIR."
                )
            return endpoints, []
        time.sleep(JOIN_CHECK_SECONDS)
    raise DidNotStart(f"Another process holds {directory}, but its engines do not get ready.")
