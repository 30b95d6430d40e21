"""Rules that PostgreSQL enforces for every writer, Django or not; the SQL is in `sql/`."""

from functools import reduce
from operator import and_
from pathlib import Path

import pgtrigger
from django.db.models import BooleanField, CheckConstraint, Model, Q
from django.db.models.expressions import RawSQL

from entities.texts import UNREADABLE, ComposedCharField


def _sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


NEVER_EMPTIED = pgtrigger.Trigger(
    name="never_emptied",
    when=pgtrigger.Before,
    operation=pgtrigger.Truncate,
    level=pgtrigger.Statement,
    func="RAISE EXCEPTION 'Cannot truncate %: it is kept for ever', TG_TABLE_NAME;",
)
"""For append-only tables: `TRUNCATE` fires no row triggers."""

TRIGGERS = [
    pgtrigger.Trigger(
        name="default_entity_type",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert,
        func=_sql("default_entity_type"),
    ),
    pgtrigger.Trigger(
        name="place_last",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update,
        condition=pgtrigger.Q(new__display_order__isnull=True),
        func=_sql("place_last"),
    ),
    pgtrigger.Trigger(
        name="stamp_modification",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        condition=pgtrigger.Condition("OLD.* *<> NEW.*"),  # bytewise: a platform may have json columns
        func=_sql("stamp_modification"),
    ),
    pgtrigger.Trigger(
        name="keep_code",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf("code"),
        condition=pgtrigger.Q(old__code__df=pgtrigger.F("new__code")),
        func=_sql("keep_code"),
    ),
    pgtrigger.Trigger(
        name="check_children",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf("child_entity_codes"),
        timing=pgtrigger.Immediate,  # per statement; bulk loaders may defer it to the commit
        declare=[("unknown", "text"), ("repeated", "text")],
        func=_sql("check_children"),
    ),
    pgtrigger.Trigger(
        name="keep_listed",
        when=pgtrigger.After,
        operation=pgtrigger.Delete,
        declare=[("parents", "text")],
        func=_sql("keep_listed"),
    ),
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
