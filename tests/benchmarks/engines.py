"""PostgreSQL and Valkey for one run, rows in them, and our own modules run on them. All ends with this process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from redis import Redis

from pmo.processes import start_process, stop_process
from pmo.run.embedded import running_engines
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.cores import Cores
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.rows import ALL, code_of, copy_database, hot_codes, insert_rows, saved_codes, written_codes
from tests.torture.stage import OURS, ROOT, StageFailed

MANY_REDIS_DB, RAW_REDIS_DB, FEW_REDIS_DB = 8, 9, 10
PEOPLE, DISTANT = "tests.benchmarks.people", "tests.benchmarks.measures.distant"


class Engines:
    """Running engines; made by `prepared_stage`."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.directory, self._stack, self.cores = directory, stack, Cores()
        stack.enter_context(self.cores.given(self.cores.rest))
        endpoints, _ = stack.enter_context(running_engines(directory, snapshots="", durable=False))
        self.database_url, self.redis_port = endpoints.database_url, endpoints.valkey.port
        self.many_database_url = ""
        prepared = self.run_module("tests.benchmarks.rows", {})
        self.token: str = prepared["token"]
        self._crowd: list[str] = []

    def insert_rows(self, *, many: int) -> None:
        """The usual rows; `many` of them in a database of their own, unless that is 0."""
        if many:
            self.many_database_url = copy_database(self.database_url, "many")
            insert_rows(self.many_database_url, many, [])
        written = [code for name in CONTENDERS for code in written_codes(name)]
        insert_rows(self.database_url, ALL, written + saved_codes())

    def one_reader(self) -> Reads:
        """The hot entity types one after the other, by one token."""
        return Reads([self.token], hot_codes())

    def crowd(self, tokens: int, codes: int, seed: int = 1) -> Reads:
        """Tokens of as many users, who read as many entity types at random."""
        if len(self._crowd) < tokens:
            self._crowd += self.run_module(PEOPLE, {}, str(len(self._crowd)), str(tokens - len(self._crowd)))
        return Reads(self._crowd[:tokens], [code_of(number) for number in range(1, codes + 1)], seed)

    def redis(self, database: int = 0) -> Redis:
        """A client of one database, closed at the end."""
        client = Redis(port=self.redis_port, db=database, protocol=2, socket_timeout=60)
        self._stack.callback(client.close)
        return client

    def run_module(
        self, module: str, environment: Mapping[str, str], *arguments: str, on_server_core: bool = False
    ) -> Any:
        """The JSON that a module prints, run in the environment of our servers."""
        cores = self.cores.server if on_server_core else self.cores.rest
        log = self.directory / f"{module}.log"
        with log.open("ab") as errors, self.cores.given(cores):
            ended = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self.environment(0) | {"DJANGO_SETTINGS_MODULE": "pmo.settings"} | dict(environment),
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
                timeout=900,
            )
        if ended.returncode:
            raise StageFailed(f"{module} failed:\n{log.read_text(errors='replace')[-1500:]}")
        return json.loads(ended.stdout)

    @contextlib.contextmanager
    def running_module(self, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A module while the block runs, in the environment of our servers; what it says and is told goes by pipes."""
        with (self.directory / f"{module}.log").open("ab") as errors:
            process = start_process(
                [sys.executable, "-m", module, *arguments],
                farewell=signal.SIGTERM,
                cwd=ROOT,
                env=self.environment(0) | {"DJANGO_SETTINGS_MODULE": "pmo.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        with process:
            try:
                yield process
            finally:
                stop_process(process, signal.SIGTERM)

    @contextlib.contextmanager
    def distant_redis(self, milliseconds: int) -> Iterator[int]:
        """The port of a Redis to which a question and its answer take so much longer."""
        if not milliseconds:
            yield self.redis_port
            return
        with self.running_module(DISTANT, str(self.redis_port), str(milliseconds)) as way:
            assert way.stdout is not None
            yield int(way.stdout.readline())

    def environment(self, redis_db: int) -> dict[str, str]:
        """Variables of a production server on this stage's engines."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return inherited | {
            "ENVIRONMENT": "production",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "BEHIND_TLS_PROXY": "false",
            "DATA_DIR": str(self.directory),
            "SECRET_KEY": "only for this run, and for nobody outside of this machine",
            "DATABASE_URL": self.database_url,
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.redis_port),
            "REDIS_DB": str(redis_db),
            "ACCESS_TOKEN_MINUTES": "1440",
            "CACHE_RELAY": "false",  # what it asks of the engines would be counted with what requests ask
        }
