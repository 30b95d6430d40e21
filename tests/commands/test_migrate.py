"""Migrations beside servers that are at work, and beside each other."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader

from pmo.management.commands.migrate import LOCK, only_migration
from tests.servers import test_database_url

FIRST = {
    "cache_layer": {"0001_outbox"},
    "entities": {"0001_initial", "0002_coherence_triggers", "0003_history_and_operations"},
}
"""The migrations that no older version ever ran beside."""
UNSAFE = {
    r"\bDROP COLUMN\b": "the old version still reads the column",
    r"\bDROP TABLE\b": "the old version still uses the table",
    r"\bRENAME (COLUMN|TO)\b": "the old version knows the old name",
    r"\bALTER COLUMN \S+ TYPE\b": "the table is rewritten under an exclusive lock",
    r"\bSET NOT NULL\b": "the old version may write nothing there",
    r"\bADD COLUMN (?!.*\bDEFAULT\b)[^;]*\bNOT NULL\b": "the old version writes nothing there",
    r"\bCREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "writers wait until it is made: AddIndexConcurrently",
}


def find_unsafe(sql: str) -> list[str]:
    """What in a migration an older version that is still running, or its writers, could not bear."""
    new = set(re.findall(r"CREATE TABLE (\S+)", sql))
    statements = [each for each in sql.split(";") if not any(f"ON {table} " in each for table in new)]
    return [why for pattern, why in UNSAFE.items() if any(re.search(pattern, each) for each in statements)]


def test_migrations_can_run_beside_the_version_before(committed_db: None) -> None:
    """Expand now, contract in a later release: a migration that takes something away is called so."""
    migrations = MigrationLoader(connection).disk_migrations
    for app, name in migrations:
        if app not in FIRST or name in FIRST[app] or "contract" in name:
            continue
        sql = StringIO()
        call_command("sqlmigrate", app, name, stdout=sql)
        assert find_unsafe(sql.getvalue()) == [], f"{app}.{name}: see docs/operations.md, Stopping and updating"


def test_what_an_older_version_could_not_bear_is_found(subtests: pytest.Subtests) -> None:
    for sql, safe in [
        ('ALTER TABLE "app"."entity" ADD COLUMN "hint" text NULL;', True),
        ('ALTER TABLE "app"."entity" ADD COLUMN "hint" text DEFAULT \'\' NOT NULL;', True),
        ('CREATE TABLE "tag" ("name" text NOT NULL); CREATE INDEX "tag_name" ON "tag" ("name");', True),
        ('CREATE INDEX CONCURRENTLY "by_label" ON "app"."entity" ("label");', True),
        ('ALTER TABLE "app"."entity" ADD COLUMN "hint" text NOT NULL;', False),
        ('CREATE INDEX "by_label" ON "app"."entity" ("label");', False),
        ('ALTER TABLE "app"."entity" DROP COLUMN "icon" CASCADE;', False),
        ('ALTER TABLE "app"."entity" RENAME COLUMN "icon" TO "picture";', False),
        ('ALTER TABLE "app"."entity" ALTER COLUMN "label" TYPE text USING "label"::text;', False),
        ('DROP TABLE "app"."entity" CASCADE;', False),
    ]:
        with subtests.test(sql=sql, safe=safe):
            assert (find_unsafe(sql) == []) is safe


def test_of_several_migrations_at_once_one_works_and_the_others_wait(committed_db: None) -> None:
    def migrate() -> str:
        try:
            call_command("migrate", verbosity=0)
            return "done"
        finally:
            connections.close_all()

    with psycopg.connect(test_database_url(), autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [LOCK])
        waiting = pool.submit(migrate)
        while not other.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").rowcount:
            assert not waiting.done()
        other.execute("SELECT pg_advisory_unlock_all()")
        assert waiting.result(timeout=60) == "done"
        free = other.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [LOCK]).fetchone()
        assert free == (True,), "none of them has kept it"


@pytest.mark.django_db
def test_a_migration_waits_for_a_table_no_longer_than_servers_can_wait_behind_it() -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            return str(cursor.fetchone()[0])

    before = limit()
    with only_migration("default"):
        assert limit() == "1s"
    assert limit() == before
