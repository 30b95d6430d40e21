"""The catalogue of entity types a PMO starts with: `data/catalogue.json`, and loading it into the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import IntegrityError, router

from entities.changes import writing_types
from entities.fields import CATALOGUED, field_of, value_type
from entities.history import newest_events
from entities.models import Entity, unknown_codes

CATALOGUE_FILE = Path(__file__).parents[1] / "data" / "catalogue.json"
DISPLAY_ORDER_STEP = 10


class InvalidCatalogue(Exception):
    """The catalogue cannot be loaded; the message names the entry and says why. Nothing was written."""


def _member(name: str) -> Any:
    """A member of a catalogue entry; optional where the form's field is."""
    field = field_of(name)
    kind = value_type(name)
    return (name, kind, msgspec.field(default_factory=field.get_default)) if field.blank else (name, kind)


CatalogueEntry: Any = msgspec.defstruct(
    "CatalogueEntry", map(_member, CATALOGUED), frozen=True, kw_only=True, forbid_unknown_fields=True
)
"""One entity type of a catalogue; its position in the file sets its display order."""


@dataclass(frozen=True)
class Seeded:
    """How many entity types were added, left alone, and reset to the catalogue; which stay removed."""

    created: int
    unchanged: int
    overwritten: int
    removed: tuple[str, ...]


def read_catalogue(file: Path) -> list[Entity]:
    """
    The unsaved entity types of a catalogue file, each valid in itself.

    Raises:
        InvalidCatalogue: the file is not a catalogue.
    """
    try:
        raw_entries = msgspec.json.decode(file.read_bytes(), type=list[msgspec.Raw])
    except OSError as error:
        raise InvalidCatalogue(f"{file}: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidCatalogue(f"{file} is not a JSON array: {error}.") from error
    entities = [_read_entry(raw, number) for number, raw in enumerate(raw_entries, start=1)]
    repeated = [code for code, count in Counter(entity.code for entity in entities).items() if count > 1]
    if repeated:
        raise InvalidCatalogue(f"In the catalogue more than once: {', '.join(repeated)}.")
    return entities


def seed_entities(catalogue: Sequence[Entity], *, overwrite: bool = False, with_removed: bool = False) -> Seeded:
    """
    Add the missing entity types; existing ones, and those somebody removed, are left alone.

    Args:
        overwrite: reset existing ones to the catalogue, except their active flag.
        with_removed: also add those that somebody removed.
    Raises:
        InvalidCatalogue: a child is neither in the catalogue nor in the database, or somebody else has just added the
            same entity type.
    """
    _refuse_unknown_children(catalogue)
    alias = router.db_for_write(Entity)
    existing = Entity.objects.using(alias).in_bulk([entity.code for entity in catalogue])
    missing = [entity for entity in catalogue if entity.code not in existing]
    removed = () if with_removed else _find_removed([entity.code for entity in missing], alias)
    catalogue = [entity for entity in catalogue if entity.code not in removed]
    missing = [entity for entity in missing if entity.code not in removed]
    for entity in catalogue:
        entity.child_entity_codes = [code for code in entity.child_entity_codes if code not in removed]
    different = [entity for entity in catalogue if overwrite and _differs(entity, existing.get(entity.code))]
    if missing or different:
        try:
            with writing_types(*(entity.code for entity in (*missing, *different))):
                Entity.objects.using(alias).bulk_create(missing)
                Entity.objects.using(alias).bulk_update(different, _COMPARED)
        except IntegrityError as error:
            raise InvalidCatalogue("Entity types were changed at the same time: run it again.") from error
    return Seeded(len(missing), len(catalogue) - len(missing) - len(different), len(different), removed)


def _find_removed(codes: list[str], alias: str) -> tuple[str, ...]:
    """Those whose last version in the history, which is kept for ever, is a deletion."""
    last = dict(newest_events(codes).using(alias).values_list("pgh_obj_id", "pgh_label"))
    return tuple(code for code in codes if last.get(code) == "delete")


_COMPARED = (*(name for name in CATALOGUED if name != "code"), "display_order")


def _differs(entity: Entity, row: Entity | None) -> bool:
    return row is not None and any(getattr(entity, field) != getattr(row, field) for field in _COMPARED)


def _read_entry(raw: msgspec.Raw, number: int) -> Entity:
    name = f"Entry {number}"
    try:
        code = msgspec.json.decode(raw).get("code")
        name = f'Entry {number} ("{code}")' if code else name
        entry = msgspec.json.decode(raw, type=CatalogueEntry)
        entity = Entity(
            **msgspec.structs.asdict(entry), entity_type=entry.code, display_order=number * DISPLAY_ORDER_STEP
        )
        entity.clean_fields()
    except AttributeError as error:
        raise InvalidCatalogue(f"{name} is not a JSON object.") from error
    except ValidationError as error:
        problems = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
        raise InvalidCatalogue(f"{name}: {problems}") from error
    except ValueError as error:
        raise InvalidCatalogue(f"{name}: {error}.") from error
    return entity


def _refuse_unknown_children(catalogue: Sequence[Entity]) -> None:
    own = {entity.code for entity in catalogue}
    listed = {code: entity.code for entity in catalogue for code in entity.child_entity_codes if code not in own}
    unknown = unknown_codes(list(listed))
    if unknown:
        raise InvalidCatalogue(
            "Unknown children: " + ", ".join(f'"{code}" (of "{listed[code]}")' for code in unknown) + "."
        )
