"""What the command lines of the tools have in common."""

import argparse
import signal
import sys
from collections.abc import Callable, Collection
from typing import NoReturn

from rich.console import Console

from tests.stage import StageFailed

PRINTED_WIDTH = 150


def make_console() -> Console:
    """One for tables, as wide as the terminal, or as a file may be."""
    return Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)


def parse_names(parser: argparse.ArgumentParser, text: str, known: Collection[str]) -> list[str]:
    """The names in a comma-separated list; ends the program with an advice if one is not known."""
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"no {', '.join(unknown)}; there are: {', '.join(known)}")
    return chosen


def run_tool(console: Console, work: Callable[[], None]) -> int:
    """Do the work; gives the exit status: 2 if the run itself failed, 130 if it was interrupted."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    try:
        work()
    except (StageFailed, ConnectionError, TimeoutError) as failure:
        console.print(f"The run failed: {failure}", style="bold red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("Interrupted; everything was stopped.")
        return 130
    return 0


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt
