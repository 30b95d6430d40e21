"""The rows of a run, and who may read and change them."""

from __future__ import annotations

import json
import sys

import django
import psycopg

HOT = 25
"""How many entity types every measure reads, however many there are."""

INSERT = """
    INSERT INTO app.entity (code, entity_type, label, label_plural, icon, child_entity_codes, display_order,
                            active_flag, created_ts, modified_ts)
    SELECT code, code, 'Type ' || number, 'Types ' || number, 'FolderKanban',
           '["task", "wiki", "artifact", "form", "expense", "revenue"]'::jsonb, number,
           true, timestamptz '2025-01-15T10:30:00Z', timestamptz '2025-01-18T14:22:00Z'
    FROM (
        SELECT number, 'type_' || lpad(number::text, 6, '0') AS code FROM generate_series(1, %s) AS number
    ) AS numbered
    UNION ALL
    SELECT code, code, 'Written', 'Written', 'FolderKanban', '[]'::jsonb, 0,
           true, timestamptz '2025-01-15T10:30:00Z', timestamptz '2025-01-18T14:22:00Z'
    FROM unnest(%s::text[]) AS code
"""


def code_of(number: int) -> str:
    """The code of the n-th entity type, counted from 1."""
    return f"type_{number:06}"


def hot_codes() -> list[str]:
    return [code_of(number) for number in range(1, HOT + 1)]


def written_code(contender: str) -> str:
    """The entity type that only this contender changes; nobody else has it in a cache."""
    return f"written_{contender}"


def insert_rows(database_url: str, count: int, writers: list[str]) -> None:
    """Fill an empty table with `count` entity types and one for each of `writers`; no trigger runs."""
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(INSERT, [count, [written_code(name) for name in writers]])
        database.execute("VACUUM ANALYZE")


def copy_database(database_url: str, name: str) -> str:
    """A second database as the first is now, in the same server; returns its URL."""
    from psycopg.conninfo import conninfo_to_dict

    original = str(conninfo_to_dict(database_url)["dbname"])
    elsewhere = _with_database(database_url, original, "postgres")
    with psycopg.connect(elsewhere, autocommit=True) as database:
        database.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    return _with_database(database_url, original, name)


def _with_database(url: str, old: str, new: str) -> str:
    return url.replace(f"/{old}?", f"/{new}?", 1)


def prepare_tables() -> str:
    """
    Make the tables, and a user who may change entity types by the platform's permission and by the contenders' one.

    Returns:
        A token of that user.
    """
    from django.contrib.auth.models import Permission, User
    from django.contrib.contenttypes.models import ContentType
    from django.core.management import call_command
    from rest_framework_simplejwt.tokens import AccessToken

    call_command("migrate", interactive=False, verbosity=0)
    theirs = ContentType.objects.create(app_label="contenders", model="entitytype")
    Permission.objects.create(content_type=theirs, codename="change_entitytype", name="Can change entity type")
    user = User.objects.create_user("benchmark")
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_entity", "change_entitytype"]))
    return str(AccessToken.for_user(user))


if __name__ == "__main__":
    django.setup()
    json.dump({"token": prepare_tables()}, sys.stdout)
