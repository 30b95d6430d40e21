"""The catalogue of entity types a PMO starts with: `data/catalogue.json`, and loading it into the database."""

from pathlib import Path
from typing import Any

import msgspec
import tablib
from django.db import router

from entities.fields import CATALOGUED, field_of, python_type
from entities.files.formats import ROW
from entities.files.problems import reclassify
from entities.files.rows import DISPLAY_ORDER_STEP, carry_out, plan_import
from entities.files.whole_files import FileRefused, read_whole
from entities.history import newest_events
from entities.models import Entity

CATALOGUE_FILE = Path(__file__).parents[1] / "data" / "catalogue.json"


def _member(name: str) -> Any:
    """A member of a catalogue entry; optional where the form's field is."""
    field = field_of(name)
    kind = python_type(field) | None if field.null else python_type(field)
    return (name, kind, msgspec.field(default_factory=field.get_default)) if field.blank else (name, kind)


CatalogueEntry: Any = msgspec.defstruct(
    "CatalogueEntry", map(_member, CATALOGUED), kw_only=True, forbid_unknown_fields=True
)
"""One entity type of a catalogue; its position in the file sets its display order."""


def seed_entities(file: Path, *, overwrite: bool = False, with_removed: bool = False) -> Any:
    """
    Add the missing entity types of a catalogue, as an import does; existing ones, and those somebody removed, are left
    alone.

    Args:
        overwrite: reset existing ones to the catalogue, except their active flag.
        with_removed: also add those that somebody removed.
    Returns:
        The plan, see `plan_import`, with the codes that stay `left_out`.
    Raises:
        FileRefused: the file is not a catalogue, an entry is wrong, or somebody has just added the same entity type.
    """
    try:
        catalogue = msgspec.json.decode(read_whole(file), type=list[CatalogueEntry])
    except ValueError as error:
        raise FileRefused(f"{file} is not a JSON array of entity types: {error}.") from error
    removed = [] if with_removed else _find_removed([entry.code for entry in catalogue])
    dataset = tablib.Dataset(headers=[ROW, "display_order", *CATALOGUED])
    for number, entry in enumerate(catalogue, start=1):
        if entry.code not in removed:
            entry.child_entity_codes = [code for code in entry.child_entity_codes if code not in removed]
            dataset.append([number, number * DISPLAY_ORDER_STEP, *msgspec.structs.astuple(entry)])
    plan = plan_import(dataset, only_given=True)
    for row in plan.rows:
        if row.is_update() and not overwrite:
            reclassify(plan, row, row.IMPORT_TYPE_SKIP)
    carry_out(plan)
    plan.left_out = removed
    return plan


def _find_removed(codes: list[str]) -> list[str]:
    """Those whose last version in the history, which is kept for ever, is a deletion."""
    last = dict(newest_events(codes).using(router.db_for_write(Entity)).values_list("pgh_obj_id", "pgh_label"))
    return [code for code in codes if last.get(code) == "delete"]
