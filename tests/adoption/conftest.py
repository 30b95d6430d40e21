"""Databases as a platform has them, before we come."""

import contextlib
import copy
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections

from entities.models import Entity
from pmo.run.engines.postgres import program_folder
from tests.servers import another_database, own_name

ALIAS = "platform"
PLATFORM = (Path(__file__).parent / "platform.sql").read_text()


class Platform:
    """A database of its own, made by `platform.sql`; Django knows it as `ALIAS`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, sql: str, role: str = "") -> list[tuple[Any, ...]]:
        """What a neighbour does, in a session of its own and with the rights of `role`."""
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute(f"SET ROLE {role}" if role else "RESET ROLE")
            found = session.execute(sql)  # type: ignore[call-overload]
            return list(found.fetchall()) if found.description else []

    def migrate(self, *arguments: str) -> str:
        """Only the entity types' migrations and what they need, unless told otherwise."""
        return self.command("migrate", *(arguments or ("entities",)))

    def command(self, *arguments: str) -> str:
        out = StringIO()
        call_command(*arguments, database=ALIAS, stdout=out, stderr=out)
        return out.getvalue()


@pytest.fixture
def make_platform(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., Platform]]:
    name = own_name("platform")
    connections.databases[ALIAS] = copy.deepcopy(connection.settings_dict) | {"NAME": name}
    try:
        with django_db_blocker.unblock(), contextlib.ExitStack() as made:

            def make(sql: str = PLATFORM) -> Platform:
                connections[ALIAS].close()
                made.close()
                platform = Platform(made.enter_context(another_database(name)))
                if sql:
                    platform.run(sql)
                return platform

            yield make
            connections[ALIAS].close()
    finally:
        del connections[ALIAS], connections.databases[ALIAS]


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform()


OURS = tuple(field.column for field in Entity._meta.local_concrete_fields)

PARTS = {
    "columns": """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = 'app.entity'::regclass AND a.attname = ANY (%s)""",
    "constraints": """
        SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE conrelid = 'app.entity'::regclass AND contype IN ('c', 'p', 'u') AND %s::text[] IS NOT NULL""",
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'app' AND tablename = 'entity' AND indexname <> 'entity_db_table'
            AND %s::text[] IS NOT NULL""",
    "triggers": """
        SELECT pg_get_triggerdef(t.oid), p.prosrc, p.prosecdef, p.proconfig
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = 'app.entity'::regclass AND NOT t.tgisinternal AND %s::text[] IS NOT NULL""",
}


def schema_of(url: str) -> dict[str, list[Any]]:
    """Our columns of `app.entity`, and what hangs on the table; without order."""
    with psycopg.connect(url, autocommit=True) as session:
        return {
            part: sorted(session.execute(sql, [list(OURS)]).fetchall(), key=repr)  # type: ignore[call-overload]
            for part, sql in PARTS.items()
        }


def dump(url: str, *, whole: bool = False) -> str:
    """Structure, rows, rights and comments of the schema `app`, or of the whole database, as SQL."""
    command = [program_folder() / "pg_dump", "--restrict-key=x", *(() if whole else ("--schema=app",)), url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
