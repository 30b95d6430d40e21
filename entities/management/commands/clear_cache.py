from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from entities.cache.acts import Operation
from entities.management.acting import add_selection, perform_selected


class Command(BaseCommand):
    help = (
        "Drops entity types and the list of all, or with --all everything, from the cache; the database is read next."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_selection(parser, everything="everything that is cached, of every lookup")

    def handle(self, **options: Any) -> None:
        perform_selected(
            self,
            Operation.CLEAR if options["everything"] else Operation.INVALIDATE,
            what="Clearing the cache",
            without_redis="it is not certain that anything was dropped",
            options=options,
        )
