"""The commands that operate the cache, and how far they are."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cache_layer import UnknownTag
from entities.cache.operations import Operation, OperationFailed, Step, perform
from entities.lookups import ENTITY
from entities.management.terminal import console_of, shell_user
from entities.models import CacheOperation, unknown_codes

REDIS_DOWN = "Redis does not answer, so {}: {}"
PLAIN_LINE_EVERY = 1000


class OperatingCommand(BaseCommand):
    """
    A command that operates the cache: on entity types, by a tag, or with `--all` on everything.

    Attributes:
        operation: what it does; invalidating everything is clearing.
        everything: what `--all` means.
        doing: for the progress.
        without_redis: what it means if Redis does not answer.
    """

    operation: Operation
    everything = "every entity type"
    doing: str
    without_redis: str

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("codes", nargs="*", help="codes of entity types")
        parser.add_argument(
            "--tag", default="", help="under:CODE: it and everything inside it; above:CODE: what it is inside"
        )
        parser.add_argument("--all", action="store_true", dest="everything", help=self.everything)
        parser.add_argument("--reason", default="", help="why, for the audit log")

    def handle(self, *, codes: list[str], tag: str, everything: bool, reason: str, **_: Any) -> None:
        selected = _select_codes(codes, tag=tag, everything=everything)
        try:
            CacheOperation._meta.get_field("reason").clean(reason, None)
        except ValidationError as error:
            raise CommandError(f"--reason, nothing was done: {' '.join(error.messages)}") from error
        operation = Operation.CLEAR if everything and self.operation is Operation.INVALIDATE else self.operation
        console = console_of(self)
        try:
            steps = perform(operation, selected, username=shell_user(), reason=reason, tag=tag)
            console.print(_follow(console, steps, self.doing))
        except OperationFailed as failure:
            raise CommandError(REDIS_DOWN.format(self.without_redis, failure.__cause__)) from failure


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
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _quiet_logs(console), Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)
        for step in steps:
            progress.update(task, completed=step.done, total=step.total)
            if progress.disable and step.done and step.done % PLAIN_LINE_EVERY == 0:
                console.print(f"{what}: {step.done} of {step.total}")
    return step.result


@contextmanager
def _quiet_logs(console: Console) -> Iterator[None]:
    """Keep log lines below warnings off the bar's terminal, where they would tear it; files still get them."""
    levels = {
        handler: handler.level
        for handler in logging.getLogger().handlers
        if console.is_terminal and isinstance(handler, logging.StreamHandler) and handler.stream.isatty()
    }
    try:
        for handler in levels:
            handler.setLevel(logging.WARNING)
        yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)
