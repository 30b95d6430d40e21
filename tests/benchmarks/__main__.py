"""The command line; see `--help`. The exit status is 1 if a required ratio was missed, 2 if the run itself failed."""

import argparse
import json
import sys
from pathlib import Path

from rich.table import Table

from tests import ROOT
from tests.benchmarks.report.document import all_tables, requirements, write_documents
from tests.benchmarks.report.excerpt import write_excerpt
from tests.benchmarks.run import ALWAYS, LONG, MEASURES, Results, is_whole, run_benchmark
from tests.benchmarks.session import Plan
from tests.benchmarks.tables import Tabled
from tests.command_line import make_console, parse_names, run_tool


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    plan = _plan(parser, arguments)
    console = make_console()
    results: Results = {}

    def measure() -> None:
        run_benchmark(plan, results, lambda text: console.print(f"{text} ...", style="dim"))
        if is_whole(plan) and not arguments.no_docs:
            for written in (*write_documents(results, ROOT / "docs"), write_excerpt()):
                console.print(f"written: {written.relative_to(ROOT)}", style="dim")

    status = run_tool(console, measure)
    for tabled in all_tables(results).values():
        console.print(_as_rich(tabled))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(status or not all(row.is_met for row in requirements(results)))


def _plan(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Plan:
    measures = parse_names(parser, arguments.only, MEASURES) if arguments.only else ALWAYS
    if arguments.also:
        measures = [*measures, *parse_names(parser, arguments.also, MEASURES)]
    return Plan(measures, arguments.rounds, arguments.seconds, arguments.many, arguments.seed)


def _as_rich(tabled: Tabled) -> Table:
    table = Table(title=tabled.title, title_justify="left")
    for number, column in enumerate(tabled.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in tabled.rows:
        table.add_row(*row, style="bold red" if row[-1] == "NO" else None)
    return table


def _listed(*, is_long: bool) -> str:
    chosen = {name: measure for name, measure in MEASURES.items() if (name in LONG) == is_long}
    return "\n".join(f"  {name:<11} {measure.SUMMARY}" for name, measure in chosen.items())


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
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help="of each turn")
    parser.add_argument("--many", type=int, default=Plan.many, help="how many entity types many are")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/ as it is")
    return parser


if __name__ == "__main__":
    main()
