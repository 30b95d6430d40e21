from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from cache_layer import Entry, Lookup, clear_entries, invalidate_entries
from entities.cache.entries import describe_dropped, drop_all_entries, drop_entries
from entities.lookups import ENTITY
from entities.management.recording import add_reason, recorded_command
from entities.management.selection import REDIS_DOWN, add_selection, select, subject_of
from entities.models import CacheOperation


class Command(BaseCommand):
    help = "Drops entity types and the list of all, or other entries, from the cache; the database is read next."

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser, everything="everything that is cached, of every lookup")
        add_reason(parser)

    def handle(self, *, codes: list[str], tag: str, everything: bool, lookup: str, reason: str, **_: Any) -> None:
        chosen, selected = select(codes, tag=tag, everything=everything, lookup=lookup)
        operation = CacheOperation.Operation.CLEAR if everything else CacheOperation.Operation.INVALIDATE
        subject = None if everything else selected
        try:
            with recorded_command(operation, subject, reason=reason, tag=subject_of(chosen, tag)) as record:
                record.result = describe_dropped(_drop(chosen, selected, everything=everything))
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("it is not certain that anything was dropped", error)) from error
        self.stdout.write(record.result)


def _drop(lookup: Lookup[Any], selected: list[str], *, everything: bool) -> int:
    if lookup is ENTITY:
        return drop_all_entries() if everything else drop_entries(selected)
    if everything:
        return clear_entries(lookup)
    return invalidate_entries(Entry(lookup, identifier) for identifier in selected)
