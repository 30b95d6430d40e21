"""Runs all migrations of the table in one transaction, so that an adoption is all or nothing."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from django.db import IntegrityError, OperationalError, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from entities.adoption.mends import Problem
from entities.adoption.rows import find_row_problems, find_warnings, find_wrong_children
from entities.adoption.shape import find_shape_problems
from entities.adoption.table import find_table
from entities.trigger_rights import run_triggers_as_owner

logger = logging.getLogger(__name__)

APP, FIRST = "entities", "0001_initial"
ATTEMPTS = 5
PAUSE_SECONDS = 0.5
BUSY = {"55P03", "40P01"}
"""lock_not_available and deadlock_detected: the table is in use."""


class AdoptionRefused(CommandError):
    """`app.entity` cannot be adopted as it is; the message has a line per problem. Nothing was changed."""

    def __init__(self, problems: list[Problem]) -> None:
        lines = "\n".join(str(problem) for problem in problems)
        super().__init__(f"app.entity can't be adopted as it is, and nothing was changed:\n{lines}")


def is_pending(connection: Any) -> bool:
    """Whether our first migration is unapplied and would find an existing table."""
    applied = MigrationRecorder(connection).applied_migrations()
    return (APP, FIRST) not in applied and find_table(connection) is not None


def find_problems(connection: Any, *, warnings: bool = True, under_lock: bool = False) -> list[Problem]:
    """
    Obstacles and warnings; nothing is written.

    Args:
        under_lock: everybody waits, so skip what the constraints will report themselves.
    """
    table = find_table(connection)
    if table is None:
        return []
    problems = list(find_shape_problems(connection, table))
    rows_can_be_read = all(problem.warning for problem in problems)
    if rows_can_be_read and under_lock:
        problems += find_wrong_children(connection, table)
    elif rows_can_be_read:
        problems += find_row_problems(connection.schema_editor(collect_sql=True), table)
        problems += find_warnings(connection, table) if warnings else ()
    return problems if warnings else [problem for problem in problems if not problem.warning]


def refuse_problems(connection: Any, *, under_lock: bool = False) -> None:
    """Raise `AdoptionRefused` if there are obstacles."""
    problems = find_problems(connection, warnings=False, under_lock=under_lock)
    if problems:
        raise AdoptionRefused(problems)


def adopt(connection: Any, progress: Callable[..., None] | None = None) -> None:
    """
    Run the migrations of our table in one transaction, after those they depend on.

    Retried a few times if the table is in use for longer than the lock timeout.

    Raises:
        AdoptionRefused: there are obstacles.
        CommandError: the table was in use each time. Nothing was changed.
    """
    refuse_problems(connection)
    executor = MigrationExecutor(connection, progress)
    plan = executor.migration_plan([key for key in executor.loader.graph.leaf_nodes() if key[0] == APP])
    needed = [(migration.app_label, migration.name) for migration, _ in plan if migration.app_label != APP]
    own = [migration for migration, _ in plan if migration.app_label == APP]
    together = own[: next((place for place, one in enumerate(own) if not one.atomic), len(own))]
    executor.migrate(needed)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic(using=connection.alias):
                MigrationExecutor(connection, progress).migrate([(APP, together[-1].name)])
                run_triggers_as_owner(connection.alias)
            return
        except IntegrityError:
            refuse_problems(connection)  # a row was changed since the check
            raise
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in BUSY:
                raise
            if attempt == ATTEMPTS:
                raise CommandError(
                    f"app.entity is in use, and nothing was changed: {str(error).strip()}. Try again when no"
                    " transaction that has read or changed it stays open."
                ) from error
            logger.warning("app.entity is in use: attempt %s of %s", attempt, ATTEMPTS)
            time.sleep(PAUSE_SECONDS * attempt)
