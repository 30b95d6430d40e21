"""Compare cached values with committed rows."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_layer.errors import CacheUnavailable
from cache_layer.upkeep.audit import audit_cache


class Command(BaseCommand):
    help = "Compares every cached value with its committed row, and invalidates those that differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-repair", action="store_true", help="only report")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object, for programs")

    def handle(self, *, no_repair: bool, as_json: bool, **_: Any) -> None:
        try:
            audit = audit_cache(repair=not no_repair)
        except CacheUnavailable as error:
            raise CommandError(f"{error}. Nothing was compared.") from error
        mismatches = sorted(audit.mismatches, key=lambda mismatch: -mismatch.age_seconds)
        if as_json:
            found = [{"key": each.entry.key, "age_seconds": round(each.age_seconds)} for each in mismatches]
            self.stdout.write(json.dumps({"compared": audit.compared, "repaired": not no_repair, "mismatches": found}))
        else:
            for mismatch in mismatches:
                self.stdout.write(f"{mismatch.entry.key}: {mismatch.age_seconds:.0f} s old")
                self.stdout.write(f"  cached     {mismatch.cached[:200]!r}")
                self.stdout.write(f"  committed  {mismatch.committed[:200]!r}")
            self.stdout.write(f"{audit.compared} values compared, {len(mismatches)} differ.")
        if audit.mismatches:
            raise CommandError("They were left as they are." if no_repair else "They were invalidated.", returncode=1)
