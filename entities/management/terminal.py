"""Command output: a rich console over the command's own stream, and progress bars."""

from __future__ import annotations

import getpass
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TypeVar, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Item = TypeVar("Item")

PLAIN_LINE_EVERY = 1000


def suit_any_terminal() -> None:
    """Escape characters that a terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console_of(command: BaseCommand) -> Console:
    """
    A console on the command's standard output: coloured on a terminal, plain and unwrapped elsewhere.

    Also without colour where Django's own output has none, as with `--no-color`.
    """
    stdout = command.stdout
    stdout.ending = ""  # rich ends its own lines
    plain = stdout.isatty() and command.style.ERROR("!") == "!"
    return Console(file=cast(Any, stdout), highlight=False, soft_wrap=not stdout.isatty(), no_color=plain or None)


def track(console: Console, items: Iterable[Item], *, total: int, what: str) -> Iterator[Item]:
    """Iterate with a progress bar, or occasional plain lines if the console is not a terminal."""
    if not console.is_terminal:
        for number, item in enumerate(items, start=1):
            yield item
            if number % PLAIN_LINE_EVERY == 0:
                console.print(f"{what}: {number} of {total}")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _quiet_logs(), Progress(*columns, console=console) as progress:
        yield from progress.track(items, total=total, description=what)


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep log lines below warnings off the terminal, where they would tear the bar; files still get them."""
    on_terminal = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream.isatty()
    ]
    levels = [handler.level for handler in on_terminal]
    for handler in on_terminal:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in zip(on_terminal, levels, strict=True):
            handler.setLevel(level)


def shell_user() -> str:
    """The user who runs a command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
