from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from entities.files.formats import JsonFile, UnreadableFile
from entities.files.rows import carry_out, plan_import
from entities.files.whole_files import FileRefused, read_whole


class Command(BaseCommand):
    help = "Restores entity types from a file of backup_entities, all or none; types that it does not have stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument(
            "--remove-others", action="store_true", help="also remove entity types that the file does not have"
        )

    def handle(self, *, file: Path, dry_run: bool, remove_others: bool, **_: Any) -> None:
        try:
            dataset = JsonFile().create_dataset(read_whole(file))
        except UnreadableFile as error:
            raise FileRefused(f"{file}: {error}") from error
        plan = plan_import(dataset, exact=True, remove_others=remove_others)
        carry_out(plan, dry_run=dry_run)
        if dry_run:
            self._print_each(plan)
        counts, kept = plan.totals, "removed" if remove_others else "kept though not in the file"
        self.stdout.write(
            f"{counts['new']} created, {counts['update']} changed, {counts['skip']} unchanged, "
            f"{len(plan.others)} {kept}{' (a dry run: nothing was done)' if dry_run else ''}"
        )

    def _print_each(self, plan: Any) -> None:
        for row in plan.rows:
            if row.is_new():
                self.stdout.write(f"+ {row.instance.code}")
        for row in plan.rows:
            for change in row.changes if row.is_update() else ():
                self.stdout.write(f"~ {row.instance.code}.{change.name}: {change.old} -> {change.new}")
        for code in plan.others:
            self.stdout.write(f"{'-' if plan.removed else '='} {code}")
