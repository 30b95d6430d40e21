"""What a command is to work on: some entity types, or all; or entries of another lookup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from cache_layer import Lookup, UnknownTag, find_tagged, get_lookup, registered_lookups
from entities.lookups import ENTITY
from entities.models import Entity, unknown_codes

REDIS_DOWN = "Redis does not answer, so {}: {}"


def add_selection(parser: CommandParser, everything: str = "every entity type") -> None:
    """
    Arguments `[codes ...]`, `--tag`, `--all` and `--lookup`.

    Args:
        everything: what `--all` means without `--lookup`.
    """
    parser.add_argument("codes", nargs="*", help="codes of entity types; with --lookup its identifiers")
    parser.add_argument(
        "--tag", default="", help="under:CODE: it and everything inside it; above:CODE: what it is inside"
    )
    parser.add_argument("--all", action="store_true", dest="everything", help=f"{everything}; with --lookup all of it")
    parser.add_argument("--lookup", default=ENTITY.name, help=f"of what, if not of entity types: {', '.join(_names())}")


def select(codes: Sequence[str], *, tag: str, everything: bool, lookup: str) -> tuple[Lookup[Any], list[str]]:
    """
    The lookup that is meant, and the codes, or its identifiers, each once.

    Raises:
        CommandError: not one of the three is given, or something is unknown.
    """
    if [bool(codes), bool(tag), everything].count(True) != 1:
        raise CommandError("Give the codes of entity types, or --tag, or --all.")
    try:
        chosen = get_lookup(lookup)
        if tag:
            return chosen, find_tagged(chosen, tag)
    except LookupError:
        raise CommandError(f"--lookup, nothing was done: there are {', '.join(_names())}.") from None
    except UnknownTag as error:
        raise CommandError(f"--tag, nothing was done: {error}") from error
    if chosen is ENTITY:
        return chosen, _codes(codes, everything=everything)
    return chosen, _identifiers(chosen, codes, everything=everything)


def subject_of(lookup: Lookup[Any], tag: str) -> str:
    """By what a selection is called in the audit log: a tag, or a lookup that is not that of entity types."""
    return tag if lookup is ENTITY else " ".join(filter(None, [lookup.name, tag]))


def _names() -> list[str]:
    return [lookup.name for lookup in registered_lookups()]


def _codes(codes: Sequence[str], *, everything: bool) -> list[str]:
    if everything:
        return list(Entity.objects.values_list("code", flat=True))
    unknown = unknown_codes(list(codes))
    if unknown:
        raise CommandError(f"Unknown entity types, nothing was done: {', '.join(unknown)}.")
    return list(dict.fromkeys(codes))


def _identifiers(lookup: Lookup[Any], given: Sequence[str], *, everything: bool) -> list[str]:
    """Those of rows that there are; a single entry has none."""
    field = lookup.identifier_field
    if field is None:
        return [""]
    rows = lookup.model._default_manager.all()
    if everything:
        return [str(value) for value in rows.values_list(field, flat=True)]
    try:
        known = {str(value) for value in rows.filter(**{f"{field}__in": given}).values_list(field, flat=True)}
    except (ValueError, ValidationError):  # a number's field is asked for a word
        known = set()
    unknown = [identifier for identifier in given if identifier not in known]
    if unknown:
        raise CommandError(f"Unknown in {lookup.name}, nothing was done: {', '.join(unknown)}.")
    return list(dict.fromkeys(given))
