from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from entities.catalogue import CATALOGUE_FILE, InvalidCatalogue, read_catalogue, seed_entities


class Command(BaseCommand):
    help = "Loads the catalogue of entity types: adds those that are missing, and keeps what staff edited."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="set existing entity types back to the catalogue, except whether they are active",
        )
        parser.add_argument(
            "--file", type=Path, default=CATALOGUE_FILE, help="another catalogue, a JSON array of entity types"
        )

    def handle(self, *, overwrite: bool, file: Path, **_: Any) -> None:
        try:
            seeded = seed_entities(read_catalogue(file), overwrite=overwrite)
        except InvalidCatalogue as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{seeded.created} created, {seeded.unchanged} unchanged (kept as edited), {seeded.overwritten} overwritten"
        )
