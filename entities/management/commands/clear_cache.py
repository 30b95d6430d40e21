from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from entities.cache.entries import describe_dropped, drop_all_entries, drop_entries
from entities.management.selection import REDIS_DOWN, add_selection, recorded_selection
from entities.models import CacheOperation


class Command(BaseCommand):
    help = (
        "Drops entity types and the list of all, or with --all everything, from the cache; the database is read next."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser, everything="everything that is cached, of every lookup")

    def handle(self, *, codes: list[str], tag: str, everything: bool, reason: str, **_: Any) -> None:
        operation = CacheOperation.Operation.CLEAR if everything else CacheOperation.Operation.INVALIDATE
        given = recorded_selection(operation, codes, tag=tag, everything=everything, reason=reason)
        try:
            with given as (selected, record):
                dropped = drop_all_entries() if everything else drop_entries(selected)
                record.result = describe_dropped(dropped)
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("it is not certain that anything was dropped", error)) from error
        self.stdout.write(record.result)
