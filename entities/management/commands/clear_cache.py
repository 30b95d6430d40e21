from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from entities.cache_entries import drop_all_entries, drop_entries
from entities.management.selection import REDIS_DOWN, add_selection, selected_codes


class Command(BaseCommand):
    help = "Drops entity types, and the list of all, from the cache; readers then get them from the database."

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser)

    def handle(self, *, codes: list[str], everything: bool, **_: Any) -> None:
        selected = selected_codes(codes, everything=everything)
        try:
            dropped = drop_all_entries() if everything else drop_entries(selected)
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("it is not certain that anything was dropped", error)) from error
        self.stdout.write(f"{dropped} cached value{'' if dropped == 1 else 's'} dropped")
