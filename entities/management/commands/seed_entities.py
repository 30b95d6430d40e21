from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connections, router

from entities.adoption import was_adopted
from entities.files.catalogue import CATALOGUE_FILE, seed_entities
from entities.models import Entity
from entities.words.icons import describe_former


class Command(BaseCommand):
    help = (
        "Loads the catalogue of entity types: adds those that are missing, keeps what staff edited, and skips what"
        " they removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="set existing entity types back to the catalogue, except whether they are active",
        )
        parser.add_argument(
            "--with-removed", action="store_true", help="bring back what was in the database once and was removed"
        )
        parser.add_argument(
            "--file",
            type=Path,
            help="another catalogue, a JSON array of entity types; without one nothing is added to an adopted table",
        )

    def handle(self, *, overwrite: bool, with_removed: bool, file: Path | None, **_: Any) -> None:
        if file is None and was_adopted(connections[router.db_for_write(Entity)]):
            self.stdout.write("Nothing was loaded: app.entity was adopted, and has its platform's entity types.")
            return
        plan = seed_entities(file or CATALOGUE_FILE, overwrite=overwrite, with_removed=with_removed)
        counts = plan.totals
        self.stdout.write(
            f"{counts['new']} created, {counts['skip']} unchanged (kept as edited), {counts['update']} overwritten"
        )
        if plan.left_out:
            self.stdout.write(f"left out, as they were removed (--with-removed): {', '.join(plan.left_out)}")
        for former in filter(None, dict.fromkeys(describe_former(row.instance.icon) for row in plan.rows)):
            self.stdout.write(former)
