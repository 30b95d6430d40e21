from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from entities.files.backup import write_backup
from entities.files.whole_files import is_standard_output


class Command(BaseCommand):
    help = "Writes every entity type to a JSON file, for restore_entities or for the import of the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="replaced if it exists; or a pipe or a device: /dev/stdout")

    def handle(self, *, file: Path, **_: Any) -> None:
        written = write_backup(file)
        said = self.stderr if is_standard_output(file) else self.stdout
        said.write(f"{written} entity types written to {file}")
