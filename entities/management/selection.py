"""The entity types a command is given, some or all, and its entry in the audit log: who ran it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from cache_layer import UnknownTag
from entities.cache.operations import recorded
from entities.lookups import ENTITY
from entities.management.terminal import shell_user
from entities.models import CacheOperation, Entity, unknown_codes

REDIS_DOWN = "Redis does not answer, so {}: {}"


def add_selection(parser: CommandParser, everything: str = "every entity type") -> None:
    """Add the arguments `[codes ...]`, `--tag` and `--all`, which means `everything`, and `--reason`."""
    parser.add_argument("codes", nargs="*", help="codes of entity types")
    parser.add_argument(
        "--tag", default="", help="under:CODE: it and everything inside it; above:CODE: what it is inside"
    )
    parser.add_argument("--all", action="store_true", dest="everything", help=everything)
    parser.add_argument("--reason", default="", help="why, for the audit log")


@contextmanager
def recorded_selection(
    operation: CacheOperation.Operation, codes: Sequence[str], *, tag: str, everything: bool, reason: str
) -> Iterator[tuple[list[str], CacheOperation]]:
    """
    The selected codes, each once, and the operation's row of the audit log, as `recorded` has it.

    Raises:
        CommandError: not exactly one of the three is given, something is unknown, or the audit log cannot store this
            reason; nothing was done.
    """
    selected = _select_codes(codes, tag=tag, everything=everything)
    try:
        CacheOperation._meta.get_field("reason").clean(reason, None)
    except ValidationError as error:
        raise CommandError(f"--reason, nothing was done: {' '.join(error.messages)}") from error
    subject = None if everything else selected
    with recorded(operation, subject, username=shell_user(), reason=reason, tag=tag) as record:
        yield selected, record


def _select_codes(codes: Sequence[str], *, tag: str, everything: bool) -> list[str]:
    if [bool(codes), bool(tag), everything].count(True) != 1:
        raise CommandError("Give the codes of entity types, or --tag, or --all.")
    if tag:
        try:
            return ENTITY.find_tagged(tag)
        except UnknownTag as error:
            raise CommandError(f"--tag, nothing was done: {error}") from error
    if everything:
        return list(Entity.objects.values_list("code", flat=True))
    unknown = unknown_codes(list(codes))
    if unknown:
        raise CommandError(f"Unknown entity types, nothing was done: {', '.join(unknown)}.")
    return list(dict.fromkeys(codes))
