from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from cache_layer.inspect import ServerStatus
from entities.cache.entries import describe_warmed, warm_entries
from entities.management.selection import REDIS_DOWN, add_selection, recorded_selection
from entities.management.terminal import console_of, track
from entities.models import CacheOperation


class Command(BaseCommand):
    help = "Fills the cache with entity types and the list of all, so that the first readers find them there."

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser)

    def handle(self, *, codes: list[str], tag: str, everything: bool, reason: str, **_: Any) -> None:
        console = console_of(self)
        operation = CacheOperation.Operation.WARM
        given = recorded_selection(operation, codes, tag=tag, everything=everything, reason=reason)
        with given as (selected, record):
            self._require_redis()
            entries = track(console, warm_entries(selected), total=len(selected) + 1, what="Warming the cache")
            counts = Counter(warmed for _, warmed in entries)
            self._require_redis()
            record.result = describe_warmed(counts)
        console.print(record.result)

    def _require_redis(self) -> None:
        """Reads silently bypass an unavailable Redis, so check it."""
        try:
            ServerStatus.read()
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("the cache was not warmed", error)) from error
