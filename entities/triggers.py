"""Rules that PostgreSQL enforces for every writer, Django or not; the SQL is in `sql/`."""

from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import pgtrigger
from django.db.models import BooleanField, CheckConstraint, Model, Q
from django.db.models.expressions import RawSQL

from entities.texts import UNREADABLE, ComposedCharField


def _sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def _trigger(name: str, operation: Any, when: Any = pgtrigger.Before, **options: Any) -> pgtrigger.Trigger:
    """A trigger with the function in the file of its name."""
    return pgtrigger.Trigger(name=name, when=when, operation=operation, func=_sql(name), **options)


NEVER_EMPTIED = pgtrigger.Trigger(
    name="never_emptied",
    when=pgtrigger.Before,
    operation=pgtrigger.Truncate,
    level=pgtrigger.Statement,
    func="RAISE EXCEPTION 'Cannot truncate %: it is kept for ever', TG_TABLE_NAME;",
)
"""For append-only tables: `TRUNCATE` fires no row triggers."""

TRIGGERS = [
    _trigger("default_entity_type", pgtrigger.Insert),
    _trigger("place_last", pgtrigger.Insert | pgtrigger.Update, condition=pgtrigger.Q(new__display_order__isnull=True)),
    _trigger(
        "stamp_modification",
        pgtrigger.Update,
        condition=pgtrigger.Condition("OLD.* *<> NEW.*"),  # bytewise: a platform may have json columns
    ),
    _trigger("keep_code", pgtrigger.UpdateOf("code"), condition=pgtrigger.Q(old__code__df=pgtrigger.F("new__code"))),
    _trigger(
        "check_children",
        pgtrigger.Insert | pgtrigger.UpdateOf("child_entity_codes"),
        pgtrigger.After,
        timing=pgtrigger.Immediate,  # per statement; bulk loaders may defer it to the commit
        declare=[("unknown", "text"), ("repeated", "text")],
    ),
    _trigger("keep_listed", pgtrigger.Delete, pgtrigger.After, declare=[("parents", "text")]),
]


def keep_texts_readable(model: type[Model]) -> type[Model]:
    """Have PostgreSQL store every `ComposedCharField` of a model composed, and refuse what nobody can read."""
    fields = [field for field in model._meta.local_fields if isinstance(field, ComposedCharField)]
    texts = [field.column for field in sorted(fields, key=lambda field: field.blank)]  # the order that migrations have
    are_composed = RawSQL(  # noqa: S611 # columns of the model
        " AND ".join(f"{text} IS NFC NORMALIZED" for text in texts), (), output_field=BooleanField()
    )
    name = model._meta.model_name
    model._meta.constraints = [
        *model._meta.constraints,
        CheckConstraint(name=f"{name}_texts_composed", condition=are_composed),
        CheckConstraint(
            name=f"{name}_texts_readable",
            condition=reduce(and_, [~Q(**{f"{text}__regex": UNREADABLE}) for text in texts]),
        ),
    ]
    pgtrigger.Trigger(  # triggers run in order of name: this one before the change is stamped
        name="compose_texts",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update,
        condition=pgtrigger.Condition(" OR ".join(f"NEW.{text} IS NOT NFC NORMALIZED" for text in texts)),
        func=_sql("compose_texts").format(
            compose="\n".join(f"NEW.{text} := normalize(NEW.{text}, NFC);" for text in texts)
        ),
    ).register(model)  # type: ignore[arg-type] # its documentation passes a class
    return model
