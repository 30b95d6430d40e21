"""The codes a command is given: some, or all."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.management.base import CommandError, CommandParser

from cache_layer import UnknownTag, find_tagged
from entities.lookups import ENTITY
from entities.models import Entity, unknown_codes

REDIS_DOWN = "Redis does not answer, so {}: {}"


def add_selection(parser: CommandParser, everything: str = "every entity type") -> None:
    """Add the arguments `[codes ...]`, `--tag` and `--all`, which means `everything`."""
    parser.add_argument("codes", nargs="*", help="codes of entity types")
    parser.add_argument(
        "--tag", default="", help="under:CODE: it and everything inside it; above:CODE: what it is inside"
    )
    parser.add_argument("--all", action="store_true", dest="everything", help=everything)


def selected_codes(codes: Sequence[str], *, tag: str, everything: bool) -> list[str]:
    """
    The selected codes, each once.

    Raises:
        CommandError: not exactly one of the three is given, or something is unknown.
    """
    if [bool(codes), bool(tag), everything].count(True) != 1:
        raise CommandError("Give the codes of entity types, or --tag, or --all.")
    if tag:
        try:
            return find_tagged(ENTITY, tag)
        except UnknownTag as error:
            raise CommandError(f"--tag, nothing was done: {error}") from error
    if everything:
        return list(Entity.objects.values_list("code", flat=True))
    unknown = unknown_codes(list(codes))
    if unknown:
        raise CommandError(f"Unknown entity types, nothing was done: {', '.join(unknown)}.")
    return list(dict.fromkeys(codes))
