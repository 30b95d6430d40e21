from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import router

from entities.files.formats import MAX_ROWS, JsonFile
from entities.files.rows import EntityResource
from entities.files.whole_files import FileRefused, is_standard_output, write_whole
from entities.models import BY_CODE, Entity


class Command(BaseCommand):
    help = "Writes every entity type to a JSON file, for restore_entities or for the import of the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="replaced if it exists; or a pipe or a device: /dev/stdout")

    def handle(self, *, file: Path, **_: Any) -> None:
        types = Entity.objects.using(router.db_for_write(Entity)).order_by(BY_CODE)
        dataset = EntityResource().export(types)
        if len(dataset) > MAX_ROWS:
            raise FileRefused(f"There are more than {MAX_ROWS} entity types: use pg_dump.")
        write_whole(file, JsonFile().export_data(dataset) + "\n")
        said = self.stderr if is_standard_output(file) else self.stdout
        said.write(f"{len(dataset)} entity types written to {file}")
