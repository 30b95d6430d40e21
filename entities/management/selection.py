"""The codes a command is given: some, or all."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.management.base import CommandError, CommandParser

from entities.models import Entity, unknown_codes

REDIS_DOWN = "Redis does not answer, so {}: {}"


def add_selection(parser: CommandParser) -> None:
    """Arguments `[codes ...]` and `--all`."""
    parser.add_argument("codes", nargs="*", help="codes of entity types")
    parser.add_argument("--all", action="store_true", dest="everything", help="every entity type")


def selected_codes(codes: Sequence[str], *, everything: bool) -> list[str]:
    """
    The codes that are meant, each once.

    Raises:
        CommandError: none is meant, both are, or some are unknown.
    """
    if bool(codes) is everything:
        raise CommandError("Give the codes of entity types, or --all.")
    if everything:
        return list(Entity.objects.values_list("code", flat=True))
    unknown = unknown_codes(list(codes))
    if unknown:
        raise CommandError(f"Unknown entity types, nothing was done: {', '.join(unknown)}.")
    return list(dict.fromkeys(codes))
