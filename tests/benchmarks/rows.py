"""The rows of a run, and who may read and change them."""

import psycopg
from psycopg.conninfo import conninfo_to_dict

HOT, ALL = 25, 2_000
"""How many entity types one reader reads, and how many there are for a crowd."""
WRITERS, SAVED = 6, 50
"""How many entity types each contender may change, and how many are saved in one transaction."""
MANY_REDIS_DB, RAW_REDIS_DB, FEW_REDIS_DB = 8, 9, 10
LIBPQ = {"host": "HOST", "port": "PORT", "user": "USER", "dbname": "DATABASE"}

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


def written_code(contender: str, number: int = 0) -> str:
    """One of the entity types that only this contender changes; nobody else has it in a cache."""
    return f"written_{contender}_{number}"


def written_codes(contender: str) -> list[str]:
    """All that only this contender changes."""
    return [written_code(contender, number) for number in range(WRITERS)]


def saved_codes() -> list[str]:
    return [f"saved_{number:02}" for number in range(SAVED)]


def insert_rows(database_url: str, count: int, written: list[str]) -> None:
    """Fill an empty table with `count` entity types and those whose codes are in `written`; no trigger runs."""
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")
        database.execute(INSERT, [count, written])
        database.execute("VACUUM ANALYZE")


def copy_database(database_url: str, name: str) -> str:
    """A second database as the first is now, in the same server; returns its URL."""
    original = str(conninfo_to_dict(database_url)["dbname"])
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as database:
        database.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    return database_url.replace(f"/{original}?", f"/{name}?", 1)


def libpq_variables(database_url: str) -> dict[str, str]:
    """The same database in the variables of libpq, which clients in other languages know too."""
    found = conninfo_to_dict(database_url)
    return {f"PG{given}": str(found[name]) for name, given in LIBPQ.items() if name in found}


def prepare_tables() -> str:
    """
    Make the tables, and a user who may change entity types by the platform's permission and by the contenders' one.

    Returns:
        A token of that user.
    """
    from django.contrib.auth.models import Permission, User
    from django.contrib.contenttypes.models import ContentType
    from django.core.management import call_command

    from pmo.people.tokens import sign_in

    call_command("migrate", interactive=False, verbosity=0)
    theirs = ContentType.objects.create(app_label="contenders", model="entitytype")
    Permission.objects.create(content_type=theirs, codename="change_entitytype", name="Can change entity type")
    user = User.objects.create_user("benchmark")
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_entity", "change_entitytype"]))
    return str(sign_in(user).access_token)


def sign_in_users(first: int, count: int) -> list[str]:
    """Make users, numbered from `first`, and sign each in without asking for a password, which would take long."""
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.db import transaction

    from pmo.people.tokens import sign_in

    nobodys = make_password(None)
    with transaction.atomic():
        made = User.objects.bulk_create(
            User(username=f"reader_{number}", password=nobodys) for number in range(first, first + count)
        )
        return [str(sign_in(user).access_token) for user in made]
