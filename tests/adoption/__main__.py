"""
How long an adoption keeps a platform's programs waiting: `python -m tests.adoption --rows 100000`.

An engine of its own, `platform.sql` with so many rows, and beside the migration two programs that read and two that
write, one row at a time. Status 1: a statement failed or was not seen.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
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
WORK = {
    "read": "SELECT code, label, child_entity_codes FROM app.entity WHERE code = %(code)s",
    "write": "UPDATE app.entity SET db_table = %(now)s WHERE code = %(code)s",
}
UNSEEN = """
    SELECT code FROM app.entity WHERE db_table ~ '^[0-9.]+$' AND db_table::float > %s
    EXCEPT SELECT identifier FROM cache_layer_outbox
"""
LOCK = "SELECT FROM pg_locks WHERE relation = 'app.entity'::regclass AND granted AND mode = 'AccessExclusiveLock'"
PAUSE_SECONDS = 0.002


def work(url: str, sql: str, rows: int, done: threading.Event) -> float:
    """Read or write one row after the other; returns what the longest statement took."""
    longest = 0.0
    with psycopg.connect(url, autocommit=True) as session:
        while not done.wait(PAUSE_SECONDS):
            code, begun = f"type_{random.randint(1, rows)}", time.perf_counter()
            session.execute(sql, {"code": code, "now": str(begun)})  # type: ignore[call-overload]
            longest = max(longest, time.perf_counter() - begun)
    return longest


def watch_lock(url: str, done: threading.Event) -> float:
    """For how long the table was locked against everybody."""
    seen: list[float] = []
    with psycopg.connect(url, autocommit=True) as session:
        while not done.wait(PAUSE_SECONDS):
            if session.execute(LOCK).rowcount:
                seen.append(time.perf_counter())
    return seen[-1] - seen[0] if seen else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-adoption-")))
        endpoints, _ = stack.enter_context(running_engines(directory / "engines", ["postgres"]))
        url = endpoints.database_url
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(PLATFORM + ROWS.format(rows))  # type: ignore[call-overload]
            session.execute("VACUUM ANALYZE app.entity")
        pool = stack.enter_context(ThreadPoolExecutor(5))
        programs = {what: [pool.submit(work, url, sql, rows, done) for _ in range(2)] for what, sql in WORK.items()}
        locked = pool.submit(watch_lock, url, done)
        try:
            _migrate(directory, url)
            adopted = time.perf_counter()
            time.sleep(1)
        finally:
            done.set()
        longest = {what: max(program.result() for program in programs[what]) for what in WORK}
        with psycopg.connect(url, autocommit=True) as session:
            (noted,) = session.execute("SELECT count(*) FROM cache_layer_outbox").fetchall()[0]
            unseen = session.execute(UNSEEN, [adopted]).rowcount
    console = Console(highlight=False, soft_wrap=True)
    told = ", ".join(f"the longest {what} took {seconds:.2f} s" for what, seconds in longest.items())
    console.print(f"{rows:,} rows: locked for {locked.result():.2f} s; {told}")
    console.print(f"{noted} changes noted, {unseen} unseen")
    sys.exit(bool(unseen or not noted))


def _migrate(directory: Path, url: str) -> None:
    environment = own_environment(directory, url, REDIS_HOST="127.0.0.1", REDIS_PORT="1")
    subprocess.run([sys.executable, "manage.py", "migrate"], cwd=ROOT, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
