"""Command output: a rich console over the command's own stream."""

import getpass
import sys
from io import TextIOWrapper
from typing import Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console


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


def shell_user() -> str:
    """The user who runs a command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
