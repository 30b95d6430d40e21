"""Every combination, on engines of its own; writes the tables of `docs/outages.md`. Status 1: a promise was broken."""

from __future__ import annotations

import argparse
import contextlib
import itertools
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
from tests.stage import Processes, own_environment


def main() -> None:
    arguments = _parser().parse_args()
    console = Console(soft_wrap=True, highlight=False)
    pairs = [pair for pair in itertools.product(REDIS, POSTGRES) if _is_chosen(pair, arguments)]
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-outages-")))
        endpoints, _ = stack.enter_context(running_engines(directory / "postgres", ["postgres"], durable=False))
        database_url = endpoints.database_url
        environment = own_environment(directory, database_url, LOG_LEVEL="CRITICAL")
        prepared = Prepared(*Processes(directory, stack, environment).call("tests.outages.prepare:prepare_database"))
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
