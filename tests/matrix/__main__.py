"""The command line; see `--help`. The exit status is 1 if a combination failed."""

import argparse
import sys
from pathlib import Path

from rich.table import Table

from tests.command_line import make_console
from tests.matrix.axes import Part, find_parts
from tests.matrix.plan import Combination, plan_combinations
from tests.matrix.run import QUICK, Result, run_suite
from tests.servers import ROOT


def main() -> None:
    arguments = _parser().parse_args()
    console = make_console()
    scratch: Path = arguments.directory.absolute()
    scratch.mkdir(parents=True, exist_ok=True)
    parts = find_parts(scratch)
    combinations = [each for each in plan_combinations(parts) if arguments.only in str(each)]
    results: list[Result] = []
    for combination in [] if arguments.list else combinations:
        console.print(f"{combination} ...", style="dim")
        tests = arguments.tests or (["tests"] if arguments.all else [f"tests/{folder}" for folder in QUICK])
        results.append(run_suite(combination, tests, scratch, jobs=arguments.jobs))
        if not results[-1].passed:
            console.print(f"  {results[-1].summary}: see {results[-1].log}", style="red", markup=False)
    console.print(table_of(combinations, results), missing_table(parts))
    sys.exit(any(not result.passed for result in results))


def table_of(combinations: list[Combination], results: list[Result]) -> Table:
    """A row for each combination; those without a result were only planned."""
    table = Table("Python", "Django", "PostgreSQL", "Redis or Valkey", "outcome")
    outcomes = {result.combination: f"{'✅' if result.passed else '❌'} {result.summary}" for result in results}
    for combination in combinations:
        table.add_row(*(part.name for part in combination.parts), outcomes.get(combination, "planned"))
    return table


def missing_table(parts: list[Part]) -> Table:
    """A row for each declared version that could not be tried, and why."""
    table = Table("could not be tried", "why")
    for part in parts:
        if not part.where:
            table.add_row(str(part), part.why)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make matrix", description=sys.modules["tests.matrix"].__doc__)
    parser.add_argument("tests", nargs="*", help=f"what pytest is given; without it, tests/{{{','.join(QUICK)}}}")
    parser.add_argument("--all", action="store_true", help="all tests: the proofs, the browser and `make run` too")
    parser.add_argument("--list", action="store_true", help="only say what is here, and what would be tried")
    parser.add_argument("--only", default="", metavar="TEXT", help='combinations that say so: "Django 6", "Redis 7.2"')
    parser.add_argument("--jobs", type=int, default=2, help="processes that share the tests of one combination")
    parser.add_argument("--directory", type=Path, default=ROOT / ".matrix", help="environments, engines and logs")
    return parser


if __name__ == "__main__":
    main()
