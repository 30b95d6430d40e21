"""Databases as a platform has them, before we come."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections

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
