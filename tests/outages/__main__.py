"""Every combination, on engines of its own; writes the tables of `docs/outages.md`. Status 1: a promise was broken."""

import argparse
import contextlib
import csv
import datetime
import itertools
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from pmo.run.embedded import running_engines
from tests import ROOT
from tests.outages.asking import OPERATIONS
from tests.outages.faults import POSTGRES, REDIS, Fault
from tests.outages.matrix import Matrix, Row
from tests.outages.prepare import Prepared
from tests.outages.stage import prepared_stage
from tests.stage import Processes, own_environment

PAGE = ROOT / "docs" / "outages.md"
BEGIN, END = "<!-- make outages: from here -->", "<!-- make outages: to here -->"


def write_page(rows: Sequence[Row], budget_ms: int) -> None:
    """Put summary and rows in place of the last ones."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{describe(rows, budget_ms)}\n\n{END}{after}")
    with PAGE.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(matrix_of(rows))


def describe(rows: Sequence[Row], budget_ms: int) -> str:
    """Everything between the marks."""
    slowest = {name: max(row.answers[name].seconds for row in rows) for name in OPERATIONS}
    broken = sum(len(row.broken) for row in rows)
    slowest_text = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest.items())
    recovery = max(row.recovery_seconds for row in rows)
    summary = (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, `REQUEST_BUDGET_MS={budget_ms}`: {len(rows)} combinations,"
        f" {len(rows) * len(OPERATIONS)} requests, {broken} promises broken. The slowest answers: {slowest_text}"
        " (hashing the password included, in a login). The longest recovery, until everything is served from the cache"
        f" again: {recovery:.1f} s."
    )
    faults = [_faults("Redis", REDIS), _faults("PostgreSQL", POSTGRES)]
    return "\n\n".join(textwrap.fill(text, 120, break_on_hyphens=False) for text in (summary, *faults))


def _faults(engine: str, faults: Mapping[str, Fault]) -> str:
    return f"**{engine}** is {'; '.join(f'*{name}* ({fault.says})' for name, fault in faults.items())}."


def matrix_of(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each combination, below the names of the columns."""
    lines = [["Redis", "PostgreSQL", *OPERATIONS, "logged"]]
    for row in rows:
        cells = [f"{row.answers[name].text}, {row.answers[name].seconds:.2f} s" for name in OPERATIONS]
        logged = ", ".join(f"{name} {count}" for name, count in row.logged.most_common()) or "-"
        lines.append([row.redis, row.postgres, *cells, logged])
    return lines


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
