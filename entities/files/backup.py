"""Backs up all entity types to a file and restores them: the admin's own JSON, so the admin can show a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import router

from entities.files.formats import MAX_ROWS, JsonFile, UnreadableFile
from entities.files.rows import EntityResource, carry_out, plan_import
from entities.files.whole_files import FileRefused, read_whole, write_whole
from entities.models import BY_CODE, Entity


def write_backup(file: Path) -> int:
    """
    Write every entity type, active or not, through `write_whole`.

    Returns:
        The number of entity types.
    Raises:
        FileRefused: the file cannot be written, or there are more than can be read back.
    """
    dataset = EntityResource().export(Entity.objects.using(router.db_for_write(Entity)).order_by(BY_CODE))
    if len(dataset) > MAX_ROWS:
        raise FileRefused(f"There are more than {MAX_ROWS} entity types: use pg_dump.")
    write_whole(file, JsonFile().export_data(dataset) + "\n")
    return len(dataset)


def restore_backup(file: Path, *, remove_others: bool = False, dry_run: bool = False) -> Any:
    """
    Restore the entity types from a file in one transaction; readers see all of it or nothing.

    Args:
        remove_others: also delete those missing from the file.
        dry_run: only plan it.
    Returns:
        The plan: see `plan_import`.
    Raises:
        FileRefused: the file is not a backup, or entity types were changed concurrently.
    """
    try:
        dataset = JsonFile().create_dataset(read_whole(file))
    except UnreadableFile as error:
        raise FileRefused(f"{file}: {error}") from error
    plan = plan_import(dataset, exact=True, remove_others=remove_others)
    carry_out(plan, dry_run=dry_run)
    return plan
