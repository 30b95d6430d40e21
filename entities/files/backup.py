"""Backs up all entity types to a file and restores them: the admin's own JSON, so the admin can show a backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import router

from entities.changes import ChangedMeanwhile
from entities.files.formats import MAX_ROWS, JsonFile, UnreadableFile
from entities.files.problems import find_problems
from entities.files.rows import EntityResource, FieldChange, plan_import, write_plan
from entities.files.whole_files import write_whole
from entities.models import BY_CODE, Entity

SHOWN_PROBLEMS = 20


class InvalidBackup(Exception):
    """The file cannot be written or restored; the message says why. Nothing was changed."""


@dataclass(frozen=True)
class Restored:
    """What restoring did, or would do: the changes by code, and the codes missing from the file."""

    created: list[str]
    changed: dict[str, list[FieldChange]]
    unchanged: int
    others: list[str]


def write_backup(file: Path) -> int:
    """
    Write every entity type, active or not, through `write_whole`.

    Returns:
        The number of entity types.
    Raises:
        InvalidBackup: the file cannot be written, or there are more than can be read back.
    """
    dataset = EntityResource().export(Entity.objects.using(router.db_for_write(Entity)).order_by(BY_CODE))
    if len(dataset) > MAX_ROWS:
        raise InvalidBackup(f"There are more than {MAX_ROWS} entity types: use pg_dump.")
    try:
        write_whole(file, JsonFile().export_data(dataset) + "\n")
    except OSError as error:
        raise InvalidBackup(f"{file}: {error.strerror}.") from error
    return len(dataset)


def restore_backup(file: Path, *, remove_others: bool = False, dry_run: bool = False) -> Restored:
    """
    Restore the entity types from a file in one transaction; readers see all of it or nothing.

    Args:
        remove_others: also delete those missing from the file.
        dry_run: only report what would be done.
    Raises:
        InvalidBackup: the file is not a backup, or entity types were changed concurrently.
    """
    try:
        plan = plan_import(JsonFile().create_dataset(file.read_bytes()), exact=True)
    except OSError as error:
        raise InvalidBackup(f"{file}: {error.strerror}.") from error
    except UnreadableFile as error:
        raise InvalidBackup(f"{file}: {error}") from error
    _refuse([*find_problems(plan), *(each.error for each in plan.base_errors)])
    codes = [row.instance.code for row in plan.rows]
    others = sorted(Entity.objects.exclude(code__in=codes).values_list("code", flat=True))
    removed = others if remove_others else []
    for_missing = ((row, [code for code in row.instance.child_entity_codes if code in removed]) for row in plan.rows)
    _refuse(
        [
            f"Row {row.number}, child_entity_codes: {', '.join(gone)} would be removed."
            for row, gone in for_missing
            if gone
        ]
    )
    if not dry_run:
        try:
            write_plan(plan, removed=removed)
        except ChangedMeanwhile as error:
            raise InvalidBackup(
                "Entity types were changed at the same time, so nothing was restored: try again."
            ) from error
    return Restored(
        [row.instance.code for row in plan.rows if row.is_new()],
        {row.instance.code: row.changes for row in plan.rows if row.is_update()},
        plan.totals["skip"],
        others,
    )


def _refuse(problems: list[Any]) -> None:
    if problems:
        more = [f"... and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise InvalidBackup("\n".join(["Nothing was restored.", *map(str, problems[:SHOWN_PROBLEMS]), *more]))
