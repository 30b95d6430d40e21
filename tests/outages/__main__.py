"""Every combination, on engines of its own; writes the tables of `docs/outages.md`. Status 1: a promise was broken."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from pmo.run.embedded import running_engines
from tests.outages.faults import POSTGRES, REDIS
from tests.outages.matrix import Matrix, Row
from tests.outages.prepare import Prepared
from tests.outages.stage import prepared_stage
from tests.outages.tables import write_page
from tests.torture.stage import OURS, ROOT


def main() -> None:
    arguments = _parser().parse_args()
    console = Console(soft_wrap=True, highlight=False)
    pairs = [pair for pair in itertools.product(REDIS, POSTGRES) if _is_chosen(pair, arguments)]
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-outages-")))
        endpoints, _ = stack.enter_context(running_engines(directory / "postgres", ["postgres"], durable=False))
        database_url = endpoints.database_url
        _, prepared = prepare_database(directory, database_url)
        stage = stack.enter_context(prepared_stage(directory, database_url, prepared, arguments.budget_ms))
        for row in Matrix(stage).run(pairs):
            rows.append(row)
            answers = ", ".join(f"{name} {each.text} {each.seconds:.2f} s" for name, each in row.answers.items())
            console.print(f"Redis {row.redis}, PostgreSQL {row.postgres}: {answers}", markup=False)
            for broken in row.broken:
                console.print(f"  {broken}", style="bold red", markup=False)
    if len(rows) == len(REDIS) * len(POSTGRES):
        write_page(rows, arguments.budget_ms)
    sys.exit(any(row.broken for row in rows))


def prepare_database(directory: Path, database_url: str, redis_port: int = 1) -> tuple[dict[str, str], Prepared]:
    """Migrate and fill an empty database; gives the environment of servers, and what clients must know."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
        "DJANGO_SETTINGS_MODULE": "pmo.settings",
        "DATA_DIR": str(directory),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": database_url,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(redis_port),
        "LOG_LEVEL": "CRITICAL",
    }
    command = [sys.executable, "-m", "tests.outages.prepare"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return environment, Prepared(**json.loads(done.stdout))


def _is_chosen(pair: tuple[str, str], arguments: argparse.Namespace) -> bool:
    return arguments.redis in (None, pair[0]) and arguments.postgres in (None, pair[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description=__doc__)
    parser.add_argument("--redis", choices=list(REDIS), help="only with this; no page is written then")
    parser.add_argument("--postgres", choices=list(POSTGRES), help="only with this; no page is written then")
    parser.add_argument("--budget-ms", type=int, default=2_000, help="REQUEST_BUDGET_MS of the servers")
    return parser


if __name__ == "__main__":
    main()
