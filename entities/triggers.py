"""Rules that PostgreSQL enforces for every writer, Django or not; the SQL is in `sql/`."""

from pathlib import Path

import pgtrigger

from entities.texts import TEXTS


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
    pgtrigger.Trigger(  # triggers run in order of name: this one before the change is stamped
        name="compose_texts",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update,
        condition=pgtrigger.Condition(" OR ".join(f"NEW.{name} IS NOT NFC NORMALIZED" for name in TEXTS)),
        func=_sql("compose_texts"),
    ),
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
