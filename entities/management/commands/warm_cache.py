from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from cache_layer.connection import get_writer_client
from entities.cache_entries import describe_warmed, warm_entries
from entities.management.selection import REDIS_DOWN, add_selection, selected_codes
from entities.terminal import console_of, track


class Command(BaseCommand):
    help = "Fills the cache with entity types and the list of all, so that the first readers find them there."

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser)

    def handle(self, *, codes: list[str], everything: bool, **_: Any) -> None:
        selected = selected_codes(codes, everything=everything)
        self._require_redis()
        console = console_of(self.stdout)
        entries = track(console, warm_entries(selected), total=len(selected) + 1, what="Warming the cache")
        counts = Counter(warmed for _, warmed in entries)
        self._require_redis()
        console.print(describe_warmed(counts))

    def _require_redis(self) -> None:
        """Reads go on without Redis and say nothing, so ask it."""
        try:
            get_writer_client().ping()
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("the cache was not warmed", error)) from error
