from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from entities.adoption import AdoptionRefused, find_problems, is_pending


class Command(BaseCommand):
    help = "Says what stands in the way of adopting a table app.entity that is there already. It writes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *, database: str, **_: Any) -> None:
        connection = connections[database]
        with transaction.atomic(using=database):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if not is_pending(connection):
                self.stdout.write("There is nothing to adopt: app.entity is not there yet, or has been migrated.")
                return
            problems = find_problems(connection)
        for problem in problems:
            if problem.warning:
                self.stdout.write(f"Warning: {problem}")
        refused = [problem for problem in problems if not problem.warning]
        if refused:
            raise AdoptionRefused(refused)
        self.stdout.write("app.entity can be adopted: manage.py migrate does it.")
