"""
Lets roles change `app.entity` without rights on our other tables.

The triggers write the outbox and the history, and look up children. They run with their owner's rights, not the
writer's: other services have rights on `app.entity` alone. Nor can those switch triggers off.
"""

from pathlib import Path
from typing import Any

from django.db import connections

_FUNCTIONS = r"""
    SELECT format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', tgfoid::regprocedure)
    FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid
    WHERE tgrelid = to_regclass('app.entity') AND tgname LIKE 'pgtrigger\_%' AND NOT prosecdef
"""
_MAY_IGNORE = (Path(__file__).parent / "sql" / "may_ignore.sql").read_text()
_IS_OURS = "SELECT FROM pg_proc WHERE proname = '_pgtrigger_should_ignore' AND pg_has_role(proowner, 'USAGE')"


def run_triggers_as_owner(using: str, **_: Any) -> None:
    """Run our triggers on `app.entity` with their owner's rights, after migrations too: recreating one resets that."""
    with connections[using].cursor() as cursor:
        cursor.execute(_IS_OURS)
        if cursor.rowcount:
            cursor.execute(_MAY_IGNORE)
        cursor.execute(_FUNCTIONS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
