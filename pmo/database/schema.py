"""Django's schema editor, able to change the type of columns that triggers depend on."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

_LOOKING = """
    SELECT format('DROP TRIGGER %%I ON %%s', tgname, tgrelid::regclass), pg_get_triggerdef(t.oid),
        format('COMMENT ON TRIGGER %%I ON %%s IS %%L', tgname, tgrelid::regclass, obj_description(t.oid, 'pg_trigger')),
        CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END
            || format(' TRIGGER %%I', tgname)
    FROM pg_trigger t
    WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal AND EXISTS (
        SELECT FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
        WHERE classid = 'pg_trigger'::regclass AND objid = t.oid AND refobjid = tgrelid AND attname = %s)
    ORDER BY tgname
"""
"""The triggers that depend on one column, with the statements that drop and recreate each."""


class SchemaEditor(DatabaseSchemaEditor):
    """
    Django's schema editor. PostgreSQL refuses to change the type of a column that a trigger depends on.

    pgtrigger drops such triggers too, by the table name in the error message, which it cannot parse if it has a schema;
    here they are dropped beforehand.
    """

    def _alter_field(
        self, model: Any, old_field: Any, new_field: Any, old_type: Any, new_type: Any, *args: Any, **kwargs: Any
    ) -> None:
        is_changed = old_type != new_type
        with self._without_triggers(model._meta.db_table, old_field.column) if is_changed else nullcontext():
            super()._alter_field(model, old_field, new_field, old_type, new_type, *args, **kwargs)  # type: ignore[misc] # private

    @contextmanager
    def _without_triggers(self, table: str, column: str) -> Iterator[None]:
        """Drop the triggers that depend on the column for the block, then recreate them; functions stay untouched."""
        quoted = self.quote_name(table)
        with transaction.atomic(using=self.connection.alias):
            with self.connection.cursor() as cursor:
                cursor.execute(_LOOKING, [quoted, column])
                triggers = cursor.fetchall()
            for drop, *_ in triggers:
                self.execute(drop, params=None)
            yield
            for _, create, comment, enable in triggers:
                self.execute(create, params=None)
                self.execute(comment, params=None)
                if enable:
                    self.execute(f"ALTER TABLE {quoted} {enable}", params=None)
