from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from entities.cache.acts import Operation
from entities.management.acting import add_selection, perform_selected


class Command(BaseCommand):
    help = "Fills the cache with entity types and the list of all, so that the first readers find them there."

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser)

    def handle(self, **options: Any) -> None:
        perform_selected(
            self,
            Operation.WARM,
            what="Warming the cache",
            without_redis="the cache was not warmed",
            options=options,
        )
