"""The command line; see `--help`. The exit status is 1 if a required ratio was missed, 2 if the run itself failed."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from tests import ROOT
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measure import Tabled
from tests.benchmarks.report.document import all_tables, requirements, write_documents
from tests.benchmarks.report.excerpt import write_excerpt
from tests.benchmarks.run import ALWAYS, MEASURES, Results, UnknownName, is_whole, parse_names, run_benchmark
from tests.benchmarks.session import Plan
from tests.stage import StageFailed

PRINTED_WIDTH = 150


def main() -> None:
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    results: Results = {}
    status = 0
    try:
        plan = _plan(arguments)
        run_benchmark(plan, results, lambda text: console.print(f"{text} ...", style="dim"), keep=arguments.keep)
        if is_whole(plan) and not arguments.no_docs:
            for written in (*write_documents(results, ROOT / "docs"), write_excerpt()):
                console.print(f"written: {written.relative_to(ROOT)}", style="dim")
    except (StageFailed, UnknownName, ConnectionError, TimeoutError) as failure:
        console.print(f"The run failed: {failure}", style="bold red", markup=False)
        status = 2
    except KeyboardInterrupt:
        console.print("Interrupted; everything was stopped.")
        status = 130
    for tabled in all_tables(results).values():
        console.print(_as_rich(tabled))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(status or not all(row.is_met for row in requirements(results)))


def _plan(arguments: argparse.Namespace) -> Plan:
    """
    Raises:
        UnknownName: a measure or a contender is asked for that there is not.
    """
    measures = parse_names(arguments.only, MEASURES) if arguments.only else ALWAYS
    if arguments.also:
        measures = [*measures, *parse_names(arguments.also, MEASURES)]
    contenders = parse_names(arguments.contenders, CONTENDERS) if arguments.contenders else tuple(CONTENDERS)
    given = {name: getattr(arguments, name) for name in ("rounds", "seconds", "many", "seed", "bundled")}
    return Plan(measures, contenders, **given)


def _as_rich(tabled: Tabled) -> Table:
    table = Table(title=tabled.title, title_justify="left")
    for number, column in enumerate(tabled.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in tabled.rows:
        table.add_row(*row, style="bold red" if row[-1] == "NO" else None)
    return table


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _listed(*, is_long: bool) -> str:
    chosen = (measure for measure in MEASURES.values() if measure.is_long == is_long)
    return "\n".join(f"  {measure.name:<11} {measure.summary}" for measure in chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Ours and what Django's users would take instead, side by side, on engines and servers of its own.",
        epilog=f"measures:\n{_listed(is_long=False)}\n\nonly where they are asked for, as they take long:\n"
        f"{_listed(is_long=True)}\n\n"
        "A whole run writes docs/benchmarks.md and its chart; a part of one never does.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="NAME,...", help="only these measures")
    parser.add_argument("--also", metavar="NAME,...", help="these measures as well")
    parser.add_argument("--contenders", metavar="NAME,...", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help="of each turn")
    parser.add_argument("--many", type=int, default=Plan.many, help="how many entity types many are")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--bundled", action="store_true", help="the bundled load generator even if wrk is there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/ as it is")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and data there")
    return parser


if __name__ == "__main__":
    main()
