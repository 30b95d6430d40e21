"""
How long an adoption keeps a platform's programs waiting: `python -m tests.adoption --rows 100000`.

An engine of its own, `platform.sql` with so many rows, and beside the migration two programs that read and two that
write, one row at a time. Prints a row of the table in `docs/adoption.md`. Status 1: a statement failed or was not seen.
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
LOCKS = """
    SELECT DISTINCT mode FROM pg_locks WHERE relation = 'app.entity'::regclass AND granted
        AND mode IN ('AccessExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
"""
PAUSE_SECONDS = 0.002


class Traffic:
    """Threads at work on the table until `stop`; what each statement took is noted."""

    def __init__(self, url: str, rows: int) -> None:
        self.url, self.rows = url, rows
        self.longest: dict[str, float] = defaultdict(float)
        self.locked: dict[str, float] = defaultdict(float)
        self.failures: list[str] = []
        self._stop = threading.Event()
        jobs = [(self._work, "read"), (self._work, "read"), (self._work, "write"), (self._work, "write")]
        self._threads = [threading.Thread(target=target, args=[what]) for target, what in jobs]
        self._threads.append(threading.Thread(target=self._watch_locks))

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

    def _watch_locks(self) -> None:
        """For how long each kind of lock was held: the programs take others."""
        since: dict[str, float] = {}
        with psycopg.connect(self.url, autocommit=True) as session:
            while not self._stop.wait(PAUSE_SECONDS):
                held = {mode for (mode,) in session.execute(LOCKS).fetchall()}
                now = time.perf_counter()
                for mode in held | set(since):
                    begun = since.setdefault(mode, now)
                    self.locked[mode] = max(self.locked[mode], now - begun)
                    if mode not in held:
                        del since[mode]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-adoption-")))
        url = stack.enter_context(running_engines(directory / "engines", engines=["postgres"])).database_url
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(PLATFORM + ROWS.format(rows))  # type: ignore[call-overload]
            session.execute("VACUUM ANALYZE app.entity")
        check_seconds = _run(directory, url, "check_adoption")
        with Traffic(url, rows) as traffic:
            time.sleep(1)
            calm, traffic.longest = traffic.longest, defaultdict(float)
            seconds = _run(directory, url, "migrate")
            adopted = time.perf_counter()
            time.sleep(1)
        with psycopg.connect(url, autocommit=True) as session:
            (noted,) = session.execute("SELECT count(*) FROM cache_layer_outbox").fetchall()[0]
            unseen = session.execute(UNSEEN, [adopted]).rowcount
            (versions,) = session.execute("SELECT count(*) FROM app.entity_event").fetchall()[0]
    console = Console(highlight=False, soft_wrap=True)
    locked = traffic.locked["AccessExclusiveLock"]
    figures = [check_seconds, seconds, locked, *(traffic.longest[what] for what in ("read", "write"))]
    console.print(f"| {rows:,} | " + " | ".join(f"{figure:.2f} s" for figure in figures) + " |")
    console.print("Locks:", ", ".join(f"{mode} {seconds:.2f} s" for mode, seconds in traffic.locked.items()))
    console.print("Longest before:", ", ".join(f"{what} {seconds * 1000:.0f} ms" for what, seconds in calm.items()))
    failures = ", ".join(traffic.failures[:3]) or "none"
    console.print(f"{noted} changes noted, {unseen} unseen, {versions} versions; failures: {failures}", markup=False)
    sys.exit(bool(traffic.failures or unseen or not noted))


def _run(directory: Path, url: str, command: str) -> float:
    """How long a command of `manage.py` took, in seconds."""
    environment = own_environment(directory, url, REDIS_HOST="127.0.0.1", REDIS_PORT="1")
    begun = time.perf_counter()
    subprocess.run([sys.executable, "manage.py", command], cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
