"""Imports of files as plans: first what each row would do, then, if somebody wants that, all of it at once."""

import hashlib
from typing import Any, NamedTuple

import tablib
from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from django.db.models import Max
from import_export import fields, resources
from import_export.results import RowResult

from entities.changes import ChangedMeanwhile, writing_types
from entities.files.columns import CELLS, COLUMNS, LARGEST_NUMBER
from entities.files.formats import MISSING, ROW
from entities.files.problems import find_problems, leave_out_dependents
from entities.files.whole_files import FileRefused
from entities.models import Entity
from entities.words.plurals import suggest_plural

PREVIEW_OUTDATED = "Entity types were changed since the preview. Nothing was imported: look at the differences again."
DISPLAY_ORDER_STEP = 10
SHOWN_PROBLEMS = 20
FOR_PEOPLE = {"blank", "control_characters", "unknown_icon"}
"""Rules that PostgreSQL does not enforce, so rows that others wrote may break them."""


class FieldChange(NamedTuple):
    """What an import does to one field; `old` is None for a new entity type."""

    name: str
    old: str | None
    new: str


class PlannedRow(RowResult):  # type: ignore[misc] # import-export has no types
    """What an import would do with a row; `number` is its place in the file."""

    @property
    def number(self) -> int:
        return int(self.row_values[ROW])

    @property
    def changes(self) -> list[FieldChange]:
        return [] if self.instance is None else _changes(self.original, self.instance)


class EntityResource(resources.ModelResource):  # type: ignore[misc] # as above
    """
    The entity types as rows of a file. It plans imports and writes nothing: `write_plan` does.

    Children may be in the same file, in any order. Missing columns leave fields unchanged; rows that change nothing
    are skipped.

    Args:
        exact: take rows as they are, without suggestions and rules for people: what was read from the table goes back.
        only_given: validate only the columns that the file has; others stay as somebody wrote them.
        remove_others: also delete the entity types that the file does not have.
    """

    class Meta:
        model = Entity
        fields = COLUMNS
        import_id_fields = ("code",)
        skip_html_diff = True
        skip_unchanged = True
        store_instance = True
        store_row_values = True
        use_bulk = True  # no savepoint per row

    def __init__(
        self, *, exact: bool = False, only_given: bool = False, remove_others: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.exact, self.only_given, self.remove_others = exact, only_given, remove_others
        self.left: set[str] = set()
        self.existing: dict[str, Entity] = {}
        self.known: set[str] = set()
        self.seen: dict[str, int] = {}

    @classmethod
    def field_from_django_field(cls, field_name: str, *_: Any, **__: Any) -> fields.Field:
        return fields.Field(attribute=field_name, column_name=field_name, widget=CELLS[field_name])

    @classmethod
    def get_row_result_class(cls) -> type[PlannedRow]:
        return PlannedRow

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        self.existing = Entity.objects.using(router.db_for_write(Entity)).in_bulk()
        self.left = {*COLUMNS}.difference(dataset.headers) if self.only_given else set()
        self.known = {*self.existing, *(code for code in dataset["code"] if isinstance(code, str))}

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        """Drop what the file leaves open, and reject invalid and repeated codes."""
        for name in COLUMNS:
            value = row.get(name)
            if value is MISSING or (value in (None, "") and not CELLS[name].may_be_empty):
                row.pop(name, None)
        code = row.get("code")
        if not isinstance(code, str) or not code:
            raise ValidationError({"code": "Give a code."})
        if code in self.seen:
            raise ValidationError({"code": f"“{code[:50]}” is in row {self.seen[code]} already."})
        self.seen[code] = row[ROW]

    def get_instance(self, instance_loader: Any, row: Any) -> Entity | None:
        return self.existing.get(row["code"])

    def import_instance(self, instance: Entity, row: Any, **kwargs: Any) -> None:
        super().import_instance(instance, row, **kwargs)
        if self.exact:
            return
        if not instance.label_plural:
            instance.label_plural = suggest_plural(instance.label)
        instance.entity_type = instance.entity_type or instance.code

    def validate_instance(self, instance: Entity, import_validation_errors: Any = None, **_: Any) -> None:
        """Validate like the form, also accepting the file's own codes as children."""
        errors = dict(import_validation_errors or {})
        try:
            instance.clean_fields(exclude=self.left | set(errors))
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
        """Nothing: `write_plan` writes all rows together."""

    def after_import(self, dataset: tablib.Dataset, result: Any, **kwargs: Any) -> None:
        result.others = sorted(self.existing.keys() - self.seen.keys())
        result.removed = result.others if self.remove_others else []
        leave_out_dependents(result, self.existing)


def plan_import(dataset: tablib.Dataset, **options: bool) -> Any:
    """
    What importing this would do, as import-export's result; nothing is written.

    Args:
        options: as `EntityResource` takes them.
    Returns:
        It has a `PlannedRow` for each row, and the codes of the `others`, which the file does not have.
    """
    return EntityResource(**options).import_data(dataset, dry_run=True)


def write_plan(plan: Any, expected: str | None = None) -> None:
    """
    Add, change and remove entity types as planned, except for wrong rows, held and written together: all or none.

    Args:
        expected: the digest of the plan that was shown.
    Raises:
        ChangedMeanwhile: some were changed since it was planned.
    """
    if expected is not None and expected != digest_of(plan):
        raise ChangedMeanwhile(PREVIEW_OUTDATED)
    created = [row.instance for row in plan.rows if row.is_new()]
    changed = {row.instance.code: row for row in plan.rows if row.is_update()}
    if not (created or changed or plan.removed):
        return
    alias = router.db_for_write(Entity)
    try:
        with writing_types(*(entity.code for entity in created), *changed, *plan.removed):
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
            removed = Entity.objects.using(alias).filter(code__in=plan.removed)
            removed._raw_delete(alias)  # in one statement: they may list each other
    except IntegrityError as error:
        raise ChangedMeanwhile(PREVIEW_OUTDATED) from error


def carry_out(plan: Any, *, dry_run: bool = False) -> None:
    """
    Write a plan for a command: all rows or none.

    Raises:
        FileRefused: a row is wrong, or entity types were changed since it was planned.
    """
    problems = [*find_problems(plan), *(each.error for each in plan.base_errors)]
    if problems:
        more = [f"... and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise FileRefused("\n".join(["Nothing was changed.", *map(str, problems[:SHOWN_PROBLEMS]), *more]))
    try:
        if not dry_run:
            write_plan(plan)
    except ChangedMeanwhile as error:
        raise FileRefused("Entity types were changed at the same time, so nothing was changed: try again.") from error


def digest_of(plan: Any) -> str:
    """A digest of everything the import would do."""
    doings = [(row.object_id, row.import_type, row.changes) for row in plan.rows]
    return hashlib.blake2b(repr(doings).encode(), digest_size=16).hexdigest()


def _place_last(entities: list[Entity], *, using: str) -> None:
    """Like the trigger, which queries the last place for each row: thousands would take a minute."""
    last = Entity.objects.using(using).aggregate(last=Max("display_order"))["last"] or 0
    for number, entity in enumerate((each for each in entities if each.display_order is None), start=1):
        entity.display_order = min(last + number * DISPLAY_ORDER_STEP, LARGEST_NUMBER)


def _changes(old: Entity | None, new: Entity) -> list[FieldChange]:
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
