"""Databases as a platform has them, before we come."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections

from tests.servers import test_database_url

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
    here, name = test_database_url(), f"platform_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    there = here.replace(f"/{connection.settings_dict['NAME']}?", f"/{name}?")

    def on_server(sql: str) -> None:
        with closing(psycopg.connect(here, autocommit=True)) as session:
            session.execute(sql)  # type: ignore[call-overload]

    def make(sql: str = PLATFORM) -> Platform:
        connections[ALIAS].close()
        on_server(f"DROP DATABASE IF EXISTS {name} (FORCE)")
        on_server(f"CREATE DATABASE {name} TEMPLATE template0")
        platform = Platform(there)
        if sql:
            platform.run(sql)
        return platform

    connections.databases[ALIAS] = copy.deepcopy(connection.settings_dict) | {"NAME": name}
    try:
        with django_db_blocker.unblock():
            yield make
            connections[ALIAS].close()
    finally:
        del connections[ALIAS], connections.databases[ALIAS]
        on_server(f"DROP DATABASE IF EXISTS {name} (FORCE)")


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform()
