"""
Who may change `app.entity` need not know of our other tables.

The triggers write the outbox and the history, and look children up. They do so with the rights of whoever made them,
not of whoever changes a row: other services have rights on `app.entity` alone.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

_FUNCTIONS = r"""
    SELECT format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', tgfoid::regprocedure)
    FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid
    WHERE tgrelid = to_regclass('app.entity') AND tgname LIKE 'pgtrigger\_%' AND NOT prosecdef
"""


def run_triggers_as_owner(connection: Any) -> None:
    """Give our triggers on `app.entity` their owner's rights; to make one anew takes them away."""
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTIONS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


def after_migrate(*, using: str, **_: Any) -> None:
    """A receiver of `post_migrate`."""
    run_triggers_as_owner(connections[using])
