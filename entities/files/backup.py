"""Backs up all entity types to a file and restores them: the admin's own JSON, so the admin can show a backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import IntegrityError, router

from entities.changes import ChangedMeanwhile, writing_types
from entities.files.formats import MAX_ROWS, JsonFile, UnreadableFile
from entities.files.problems import find_problems
from entities.files.rows import EntityResource, FieldChange
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
        content = file.read_bytes()
        dataset = JsonFile().create_dataset(content)
        codes = [code for code in dataset["code"] if isinstance(code, str)]
        others = sorted(set(Entity.objects.values_list("code", flat=True)) - set(codes))
        planned = EntityResource(exact=True).import_data(dataset, dry_run=True)
        _refuse_problems(planned, others if remove_others else [])
        if not dry_run:
            with writing_types(*codes, *(others if remove_others else ())):
                done = EntityResource(exact=True).import_data(JsonFile().create_dataset(content), plan=planned.plan)
                _refuse_problems(done, [])
                if remove_others:
                    Entity.objects.filter(code__in=others).delete()
    except OSError as error:
        raise InvalidBackup(f"{file}: {error.strerror}.") from error
    except UnreadableFile as error:
        raise InvalidBackup(f"{file}: {error}") from error
    except (ChangedMeanwhile, IntegrityError) as error:
        raise InvalidBackup(
            "Entity types were changed at the same time, so nothing was restored: try again."
        ) from error
    return _describe(planned, others)


def _refuse_problems(result: Any, removed: list[str]) -> None:
    for error in result.base_errors:
        if isinstance(error.error, ChangedMeanwhile):
            raise error.error
    problems = [str(problem) for problem in find_problems(result)]
    problems += [str(error.error) for error in result.base_errors]
    if not problems:
        problems = [
            f"Row {row.number}, child_entity_codes: {', '.join(missing)} would be removed."
            for row in result.rows
            if (missing := [code for code in row.instance.child_entity_codes if code in removed])
        ]
    if problems:
        more = [f"... and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise InvalidBackup("\n".join(["Nothing was restored.", *problems[:SHOWN_PROBLEMS], *more]))


def _describe(result: Any, others: list[str]) -> Restored:
    return Restored(
        [row.instance.code for row in result.rows if row.is_new()],
        {row.instance.code: row.changes for row in result.rows if row.is_update()},
        result.totals["skip"],
        others,
    )
