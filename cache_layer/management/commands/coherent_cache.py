"""Show what is cached of each coherent model; clear or warm it."""

from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from cache_layer.inspect import LookupState
from cache_layer.keys import value_key
from cache_layer.lookup import Lookup, get_lookup, registered_lookups
from cache_layer.protocol.calls import BATCH_KEYS
from cache_layer.reading.reads import read_entries
from cache_layer.server.connection import get_writer_client
from cache_layer.upkeep.clearing import clear_entries

OWN_KEYS = ("cache_layer:*", "{cache_layer:*")


class Command(BaseCommand):
    help = "Lists the lookups and how many entries of each are in Redis; or clears or warms them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("lookups", nargs="*", help="names of lookups; all if none is given")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--clear", action="store_true", help="drop all of their entries")
        act.add_argument(
            "--warm", action="store_true", help="read all of their rows, so that the next reader waits less"
        )
        act.add_argument(
            "--acl", action="store_true", help="print the key patterns that a user of Redis needs for them"
        )

    def handle(self, *, lookups: list[str], clear: bool, warm: bool, acl: bool, **_: Any) -> None:
        try:
            chosen = [get_lookup(name) for name in lookups] or registered_lookups()
        except LookupError as error:
            raise CommandError(str(error.args[0])) from error
        if acl:
            self.stdout.write(" ".join(f"~{pattern}" for pattern in key_patterns(chosen)))
            return
        try:
            get_writer_client().ping()  # reads would silently go on without Redis
            if clear or warm:
                lines = [_clear(lookup) if clear else _warm(lookup) for lookup in chosen]
            else:
                lines = [_describe(state) for state in LookupState.read(chosen)]
            self.stdout.write("\n".join(lines))
        except RedisError as error:
            raise CommandError(f"{error}. Try again when Redis answers.") from error


def key_patterns(lookups: list[Lookup[Any]]) -> list[str]:
    """The patterns of all keys these lookups, and this package itself, use in Redis; companions start with a brace."""
    globs = [value_key(lookup.key_glob(), version=1) for lookup in lookups]
    return list(dict.fromkeys([*(pattern for glob in globs for pattern in (glob, f"{{{glob}}}*")), *OWN_KEYS]))


def _describe(state: LookupState) -> str:
    where = state.key_pattern.replace("{}", "*")
    return f"{state.name}: {state.values} of {state.model} at {where}, for {state.ttl_seconds} s"


def _clear(lookup: Lookup[Any]) -> str:
    return f"{lookup.name}: {clear_entries(lookup)} dropped"


def _warm(lookup: Lookup[Any]) -> str:
    if lookup.identifier_field is None:
        identifiers = iter([""])
    else:
        rows = lookup.model._base_manager.values_list(lookup.identifier_field, flat=True)
        identifiers = (str(value) for value in rows.iterator() if value is not None)
    number = 0
    while batch := list(islice(identifiers, BATCH_KEYS)):
        number += sum(read.document is not None for read in read_entries(lookup, batch).values())
    return f"{lookup.name}: {number} read"
