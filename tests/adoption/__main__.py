"""
How long an adoption keeps a platform's programs waiting: `python -m tests.adoption --rows 100000`.

An engine of its own, `platform.sql` with so many rows, and beside the migration two programs that read and two that
write, one row at a time. Status 1: a statement failed or was not seen.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import psycopg
from rich.console import Console

from pmo.run.embedded import running_engines
from tests import ROOT
from tests.stage import own_environment

PLATFORM = (Path(__file__).parent / "platform.sql").read_text()
ROWS = """
    INSERT INTO app.entity (code, entity_type, label, label_plural, icon, child_entity_codes, db_table)
    SELECT 'type_' || i, 'type_' || i, 'Type ' || i, 'Types ' || i, 'Box',
        CASE WHEN i > 3 THEN jsonb_build_array('type_' || i - 1, 'type_' || i - 2, 'type_' || i - 3) ELSE '[]' END,
        'd_type' FROM generate_series(1, {}) i;
"""
READ = "SELECT code, label, child_entity_codes FROM app.entity WHERE code = %s"
WRITE = "UPDATE app.entity SET db_table = %s WHERE code = %s"
UNSEEN = """
    SELECT code FROM app.entity WHERE db_table ~ '^[0-9.]+$' AND db_table::float > %s
    EXCEPT SELECT identifier FROM cache_layer_outbox
"""
LOCK = "SELECT FROM pg_locks WHERE relation = 'app.entity'::regclass AND granted AND mode = 'AccessExclusiveLock'"
PAUSE_SECONDS = 0.002


class Traffic:
    """Threads at work on the table while the block runs; what the longest statements took is noted."""

    def __init__(self, url: str, rows: int) -> None:
        self.url, self.rows = url, rows
        self.longest: dict[str, float] = defaultdict(float)
        self.locked_seconds = 0.0
        self.failures: list[str] = []
        self._stop = threading.Event()
        programs = [threading.Thread(target=self._work, args=[what]) for what in ("read", "read", "write", "write")]
        self._threads = [*programs, threading.Thread(target=self._watch_lock)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, what: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as session:
            while not self._stop.wait(PAUSE_SECONDS):
                code = f"type_{random.randint(1, self.rows)}"
                begun = time.perf_counter()
                try:
                    session.execute(READ, [code]) if what == "read" else session.execute(WRITE, [str(begun), code])
                except psycopg.Error as error:
                    self.failures.append(str(error))
                self.longest[what] = max(self.longest[what], time.perf_counter() - begun)

    def _watch_lock(self) -> None:
        """For how long the table was locked against everybody."""
        begun = 0.0
        with psycopg.connect(self.url, autocommit=True) as session:
            while not self._stop.wait(PAUSE_SECONDS):
                if session.execute(LOCK).rowcount:
                    now = time.perf_counter()
                    begun = begun or now
                    self.locked_seconds = now - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-adoption-")))
        endpoints, _ = stack.enter_context(running_engines(directory / "engines", ["postgres"]))
        url = endpoints.database_url
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(PLATFORM + ROWS.format(rows))  # type: ignore[call-overload]
            session.execute("VACUUM ANALYZE app.entity")
        with Traffic(url, rows) as traffic:
            _migrate(directory, url)
            adopted = time.perf_counter()
            time.sleep(1)
        with psycopg.connect(url, autocommit=True) as session:
            (noted,) = session.execute("SELECT count(*) FROM cache_layer_outbox").fetchall()[0]
            unseen = session.execute(UNSEEN, [adopted]).rowcount
    console = Console(highlight=False, soft_wrap=True)
    longest = ", ".join(f"the longest {what} took {seconds:.2f} s" for what, seconds in traffic.longest.items())
    console.print(f"{rows:,} rows: locked for {traffic.locked_seconds:.2f} s; {longest}")
    failures = ", ".join(traffic.failures[:3]) or "none"
    console.print(f"{noted} changes noted, {unseen} unseen; failures: {failures}", markup=False)
    sys.exit(bool(traffic.failures or unseen or not noted))


def _migrate(directory: Path, url: str) -> None:
    environment = own_environment(directory, url, REDIS_HOST="127.0.0.1", REDIS_PORT="1")
    subprocess.run([sys.executable, "manage.py", "migrate"], cwd=ROOT, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
