"""The act of a command on some or all entity types, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cache_layer import UnknownTag
from entities.cache.acts import Act, ActFailed, Operation, Step, perform
from entities.lookups import ENTITY
from entities.management.terminal import console_of, shell_user
from entities.models import CacheOperation, unknown_codes

REDIS_DOWN = "Redis does not answer, so {}: {}"
PLAIN_LINE_EVERY = 1000


def add_selection(parser: CommandParser, everything: str = "every entity type") -> None:
    """Add the arguments `[codes ...]`, `--tag` and `--all`, which means `everything`, and `--reason`."""
    parser.add_argument("codes", nargs="*", help="codes of entity types")
    parser.add_argument(
        "--tag", default="", help="under:CODE: it and everything inside it; above:CODE: what it is inside"
    )
    parser.add_argument("--all", action="store_true", dest="everything", help=everything)
    parser.add_argument("--reason", default="", help="why, for the audit log")


def perform_selected(
    command: BaseCommand, operation: Operation, *, what: str, without_redis: str, options: dict[str, Any]
) -> None:
    """
    Perform an act on what `add_selection`'s arguments select, and print its result.

    Args:
        what: what it does, for the progress.
        without_redis: what that means if Redis does not answer.
    Raises:
        CommandError: not exactly one of the three is given, something is unknown, the audit log cannot store this
            reason (nothing was done); or Redis did not answer.
    """
    codes, tag, everything, reason = (options[name] for name in ("codes", "tag", "everything", "reason"))
    selected = _select_codes(codes, tag=tag, everything=everything)
    try:
        CacheOperation._meta.get_field("reason").clean(reason, None)
    except ValidationError as error:
        raise CommandError(f"--reason, nothing was done: {' '.join(error.messages)}") from error
    console = console_of(command)
    try:
        console.print(_follow(console, perform(Act(operation, selected, shell_user(), reason, tag)), what))
    except ActFailed as failure:
        raise CommandError(REDIS_DOWN.format(without_redis, failure.__cause__)) from failure


def _select_codes(codes: Sequence[str], *, tag: str, everything: bool) -> tuple[str, ...] | None:
    """Each code once; None for everything."""
    if [bool(codes), bool(tag), everything].count(True) != 1:
        raise CommandError("Give the codes of entity types, or --tag, or --all.")
    if tag:
        try:
            return tuple(ENTITY.find_tagged(tag))
        except UnknownTag as error:
            raise CommandError(f"--tag, nothing was done: {error}") from error
    if unknown := unknown_codes(list(codes)):
        raise CommandError(f"Unknown entity types, nothing was done: {', '.join(unknown)}.")
    return None if everything else tuple(dict.fromkeys(codes))


def _follow(console: Console, steps: Iterator[Step], what: str) -> str:
    """Go all steps, with a progress bar, or occasional plain lines off a terminal; returns the result."""
    step = Step(0, 1)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with _quiet_logs(), Progress(*columns, console=console) as progress:
            task = progress.add_task(what)
            for step in steps:
                progress.update(task, completed=step.done, total=step.total)
    else:
        for step in steps:
            if step.done and step.done % PLAIN_LINE_EVERY == 0:
                console.print(f"{what}: {step.done} of {step.total}")
    return step.result


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
