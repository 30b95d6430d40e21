"""The audit log of commands: who ran them, and why."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from entities.cache.operations import recorded
from entities.management.terminal import shell_user
from entities.models import CacheOperation


def add_reason(parser: CommandParser) -> None:
    """Add the argument `--reason`."""
    parser.add_argument("--reason", default="", help="why, for the audit log")


def recorded_command(
    operation: CacheOperation.Operation, codes: Sequence[str] | None, *, reason: str, tag: str = ""
) -> AbstractContextManager[CacheOperation]:
    """
    Like `recorded`, for the user who runs the command.

    Raises:
        CommandError: the audit log cannot store this reason; nothing was done.
    """
    try:
        CacheOperation._meta.get_field("reason").clean(reason, None)
    except ValidationError as error:
        raise CommandError(f"--reason, nothing was done: {' '.join(error.messages)}") from error
    return recorded(operation, codes, username=shell_user(), reason=reason, tag=tag)
