"""The command line; see `--help`. The exit status is 1 if a promise was broken, 2 if the run itself failed."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

from tests.command_line import make_console, parse_names, run_tool
from tests.torture.plan import Plan, faults_of, name_faults
from tests.torture.report import faults_help, print_failures, print_outcomes, print_per_fault
from tests.torture.run import Outcome, run_torture

NUMBERS = (
    ("seconds", 1, 7_200, "of load, for each run"),
    ("servers", 1, 16, ""),
    ("writers", 1, 40, ""),
    ("readers", 1, 200, "connections"),
    ("lease-ms", 1, 400, "of copies in memory, which writers wait for"),
    ("quiet-writes", 0, 1_000, "timed before the load"),
)
"""Options: from, to, and what is said of them."""


def main() -> None:
    arguments, chosen = _parse()
    console = make_console()
    outcomes: list[Outcome] = []

    def torture() -> None:
        for plan in _plans(arguments, chosen):
            console.print(f"{plan.algorithm}, {name_faults(plan.faults)}, {plan.seconds:g} s ...", style="dim")
            keep = arguments.keep and arguments.keep / f"{len(outcomes)}-{plan.algorithm}"
            outcomes.append(run_torture(plan, keep=keep))

    if status := run_tool(console, torture):
        sys.exit(status)
    if arguments.faults == "each":
        print_per_fault(console, outcomes)
    else:
        print_outcomes(console, outcomes)
    print_failures(console, outcomes)
    sys.exit(any(outcome.broken_promises() for outcome in outcomes))


def _plans(arguments: argparse.Namespace, chosen: Sequence[frozenset[str]]) -> Iterator[Plan]:
    plan = Plan(**{each.name: getattr(arguments, each.name, each.default) for each in fields(Plan)})
    for faults in chosen:
        for algorithm in ("ours", "classic") if arguments.algorithm == "both" else (arguments.algorithm,):
            yield replace(plan, faults=faults, algorithm=algorithm)


def _parse() -> tuple[argparse.Namespace, Sequence[frozenset[str]]]:
    """What is asked for, and the faults of each run."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.topology != "single" and arguments.algorithm != "ours":
        parser.error("the classic algorithm is for a single server")
    possible = faults_of(arguments.topology)
    match arguments.faults:
        case "each":
            return arguments, [frozenset(), *(frozenset({name}) for name in possible)]
        case "all" | "none" as text:
            return arguments, [frozenset(possible if text == "all" else ())]
        case names:
            return arguments, [frozenset(parse_names(parser, names, possible))]


def _number(least: int, most: int) -> type[int]:
    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"from {least} to {most}")
        return number

    return parse  # type: ignore[return-value] # argparse wants a function of a string


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description="Several servers under load and faults on engines of their own; every read is judged afterwards.",
        epilog=f"faults:\n{faults_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option, least, most, said in NUMBERS:
        default = getattr(Plan, option.replace("-", "_"))
        parser.add_argument(f"--{option}", type=_number(least, most), default=default, help=said)
    parser.add_argument(
        "--faults", default="all", help="a comma-separated list, all, none, or each: one after the other"
    )
    parser.add_argument("--topology", choices=("single", "sentinel", "cluster"), default=Plan.topology)
    parser.add_argument("--algorithm", choices=("ours", "classic", "both"), default="ours")
    parser.add_argument("--skew", action="store_true", help="wall clocks hours apart")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--write-policy", choices=("available", "strict"), default=Plan.write_policy)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and data there")
    return parser


if __name__ == "__main__":
    main()
