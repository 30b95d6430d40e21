from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from entities.files.backup import InvalidBackup, Restored, restore_backup


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
            restored = restore_backup(file, remove_others=remove_others, dry_run=dry_run)
        except InvalidBackup as error:
            raise CommandError(str(error)) from error
        if dry_run:
            self._print_each(restored, remove_others=remove_others)
        kept = "removed" if remove_others else "kept though not in the file"
        self.stdout.write(
            f"{len(restored.created)} created, {len(restored.changed)} changed, {restored.unchanged} unchanged, "
            f"{len(restored.others)} {kept}{' (a dry run: nothing was done)' if dry_run else ''}"
        )

    def _print_each(self, restored: Restored, *, remove_others: bool) -> None:
        for code in restored.created:
            self.stdout.write(f"+ {code}")
        for code, changes in restored.changed.items():
            for change in changes:
                self.stdout.write(f"~ {code}.{change.name}: {change.old} -> {change.new}")
        for code in restored.others:
            self.stdout.write(f"{'-' if remove_others else '='} {code}")
