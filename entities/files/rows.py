"""Rows of an imported or exported file, and their entity types."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import tablib
from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from django.db.models import Max
from import_export import fields, resources
from import_export.instance_loaders import BaseInstanceLoader

from entities.changes import ChangedMeanwhile, writing_types
from entities.files.catalogue import DISPLAY_ORDER_STEP
from entities.files.cells import LARGEST_NUMBER, cell_of
from entities.files.columns import COLUMNS
from entities.files.formats import MISSING, ROW
from entities.files.problems import leave_out_dependents
from entities.models import Entity
from entities.words.plurals import suggest_plural

PREVIEW_OUTDATED = "Entity types were changed since the preview. Nothing was imported: look at the differences again."
FOR_PEOPLE = {"blank", "control_characters", "unknown_icon"}
"""Rules that PostgreSQL does not enforce, so rows that others wrote may break them."""


@dataclass(frozen=True)
class FieldChange:
    """What an import does to one field; `old` is None for a new entity type."""

    name: str
    old: str | None
    new: str


CELLS = {name: cell_of(name) for name in COLUMNS}


class ExistingEntities(BaseInstanceLoader):  # type: ignore[misc] # import-export has no types
    """Looks up the entities that the resource read before the first row."""

    def get_instance(self, row: Any) -> Entity | None:
        existing: dict[str, Entity] = self.resource.existing
        return existing.get(row["code"])


class EntityResource(resources.ModelResource):  # type: ignore[misc] # as above
    """
    Adds and changes entity types, held and written together: all or none, or with `skip_wrong` those with valid rows.
    Never deletes one or changes a code.

    Children may be in the same file, in any order. Missing columns leave fields unchanged; rows that change nothing
    are not written.

    Args:
        exact: take rows as they are, without suggestions and rules for people: what was read from the table goes back.
    """

    class Meta:
        model = Entity
        fields = COLUMNS
        import_id_fields = ("code",)
        instance_loader_class = ExistingEntities
        store_instance = True
        skip_html_diff = True
        use_bulk = True  # no savepoint per row
        use_transactions = False  # `after_import` has its own

    def __init__(self, *, exact: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exact = exact
        self.existing: dict[str, Entity] = {}
        self.known: set[str] = set()
        self.numbers: list[int] = []
        self.seen: dict[str, int] = {}

    @classmethod
    def field_from_django_field(cls, field_name: str, *_: Any, **__: Any) -> fields.Field:
        return fields.Field(attribute=field_name, column_name=field_name, widget=CELLS[field_name])

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        self.numbers = dataset[ROW]
        del dataset[ROW]
        self.existing = Entity.objects.in_bulk()
        self.known = {*self.existing, *(code for code in dataset["code"] if isinstance(code, str))}

    def import_row(self, row: Any, instance_loader: Any, **kwargs: Any) -> Any:
        given = dict(row)
        row_result = super().import_row(row, instance_loader, **kwargs)
        row_result.given = given
        row_result.number = self.numbers[kwargs["row_number"] - 1]
        return row_result

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        """Drop what the file leaves open, and reject invalid and repeated codes."""
        for name, value in list(row.items()):
            if value is MISSING or (value in (None, "") and not CELLS[name].may_be_empty):
                del row[name]
        code = row.get("code")
        if not isinstance(code, str) or not code:
            raise ValidationError({"code": "Give a code."})
        if code in self.seen:
            raise ValidationError({"code": f"“{code[:50]}” is in row {self.seen[code]} already."})
        self.seen[code] = self.numbers[kwargs["row_number"] - 1]

    def import_instance(self, instance: Entity, row: Any, **kwargs: Any) -> None:
        super().import_instance(instance, row, **kwargs)
        if self.exact:
            return
        if not instance.label_plural:
            instance.label_plural = suggest_plural(instance.label)
        instance.entity_type = instance.entity_type or instance.code

    def skip_row(self, instance: Entity, original: Entity, row: Any, import_validation_errors: Any = None) -> bool:
        if import_validation_errors or instance._state.adding:
            return False
        return not _changes(original, instance)

    def validate_instance(self, instance: Entity, import_validation_errors: Any = None, **_: Any) -> None:
        """Validate like the form, also accepting the file's own codes as children."""
        errors = dict(import_validation_errors or {})
        try:
            instance.clean_fields(exclude=set(errors))
        except ValidationError as error:
            found = error.update_error_dict({})
            left_out = FOR_PEOPLE if self.exact else set()
            errors |= {
                name: kept for name in found if (kept := [each for each in found[name] if each.code not in left_out])
            }
        if "child_entity_codes" not in errors:
            unknown = [code for code in instance.child_entity_codes if code not in self.known]
            if unknown:
                errors["child_entity_codes"] = [f"Unknown entity types: {', '.join(unknown)}."]
        if errors:
            raise ValidationError(errors)

    def save_instance(self, *_: Any, **__: Any) -> None:
        """Nothing yet: `after_import` writes all rows together."""

    def after_import_row(self, row: Any, row_result: Any, **kwargs: Any) -> None:
        row_result.changes = [] if row_result.is_skip() else _changes(row_result.original, row_result.instance)

    def after_import(self, dataset: tablib.Dataset, result: Any, **kwargs: Any) -> None:
        """Write, unless this is a preview, or a row is wrong and wrong rows are not to be skipped."""
        leave_out_dependents(result, self.existing)
        result.plan = _digest(result)
        expected = kwargs.get("plan")
        wrong = result.has_errors() or result.has_validation_errors()
        if kwargs.get("dry_run") or (wrong and not kwargs.get("skip_wrong")):
            return
        if expected is not None and expected != result.plan:
            raise ChangedMeanwhile(PREVIEW_OUTDATED)
        created = [row.instance for row in result.rows if row.is_new()]
        changed = {row.instance.code: row for row in result.rows if row.is_update()}
        if created or changed:
            self._write(created, changed)

    def _write(self, created: list[Entity], changed: dict[str, Any]) -> None:
        alias = router.db_for_write(Entity)
        try:
            with writing_types(*(entity.code for entity in created), *changed):
                rows = Entity.objects.using(alias).select_for_update(no_key=True).order_by("code")
                locked = {row.code: row for row in rows.filter(code__in=changed)}
                if any(code not in locked or _changes(row.original, locked[code]) for code, row in changed.items()):
                    raise ChangedMeanwhile(PREVIEW_OUTDATED)
                _place_last(created, using=alias)
                Entity.objects.using(alias).bulk_create(created)
                # Much faster than `bulk_update`. These rows exist and are locked: none is inserted.
                Entity.objects.using(alias).bulk_create(
                    [row.instance for row in changed.values()],
                    update_conflicts=True,
                    unique_fields=["code"],
                    update_fields=[name for name in COLUMNS if name != "code"],
                )
        except IntegrityError as error:
            raise ChangedMeanwhile(PREVIEW_OUTDATED) from error


def _place_last(entities: list[Entity], *, using: str) -> None:
    """Like the trigger, which queries the last place for each row: thousands would take a minute."""
    last = Entity.objects.using(using).aggregate(last=Max("display_order"))["last"] or 0
    for number, entity in enumerate((each for each in entities if each.display_order is None), start=1):
        entity.display_order = min(last + number * DISPLAY_ORDER_STEP, LARGEST_NUMBER)


def _changes(old: Entity | None, new: Entity) -> list[FieldChange]:
    """The fields in which a row differs from the existing entity type."""
    return [
        FieldChange(name, None if old is None else _shown(name, getattr(old, name)), _shown(name, getattr(new, name)))
        for name in COLUMNS
        if old is None or getattr(old, name) != getattr(new, name)
    ]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "last" if name == "display_order" else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _digest(result: Any) -> str:
    """A digest of everything the import would do."""
    doings = [(row.object_id, row.import_type, getattr(row, "changes", None)) for row in result.rows]
    return hashlib.blake2b(repr(doings).encode(), digest_size=16).hexdigest()
