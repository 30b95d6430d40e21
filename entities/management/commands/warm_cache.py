from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from cache_layer import get_writer_client
from entities.cache.entries import describe_warmed, warm_entries, warm_lookup
from entities.lookups import ENTITY
from entities.management.recording import add_reason, recorded_command
from entities.management.selection import REDIS_DOWN, add_selection, select, subject_of
from entities.management.terminal import console_of, track
from entities.models import CacheOperation


class Command(BaseCommand):
    help = "Fills the cache with entity types and the list of all, or other entries, for the first readers."

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser)
        add_reason(parser)

    def handle(self, *, codes: list[str], tag: str, everything: bool, lookup: str, reason: str, **_: Any) -> None:
        chosen, selected = select(codes, tag=tag, everything=everything, lookup=lookup)
        of_types = chosen is ENTITY
        warming = warm_entries(selected) if of_types else warm_lookup(chosen, selected)
        console = console_of(self)
        subject = None if everything else selected
        with recorded_command(
            CacheOperation.Operation.WARM, subject, reason=reason, tag=subject_of(chosen, tag)
        ) as record:
            self._require_redis()
            total = len(selected) + of_types
            entries = track(console, warming, total=total, what="Warming the cache")
            counts = Counter(warmed for _, warmed in entries)
            self._require_redis()
            record.result = describe_warmed(counts)
        console.print(record.result)

    def _require_redis(self) -> None:
        """Reads go on without Redis and say nothing, so ask it."""
        try:
            get_writer_client().ping()
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("the cache was not warmed", error)) from error
