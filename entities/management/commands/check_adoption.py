import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from entities.adoption import AdoptionRefused, find_problems, is_pending


class Command(BaseCommand):
    help = "Says what prevents adopting an existing table app.entity. It writes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object, for programs")

    def handle(self, *, database: str, as_json: bool, **_: Any) -> None:
        connection = connections[database]
        with transaction.atomic(using=database):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            pending = is_pending(connection)
            problems = find_problems(connection) if pending else []
        if as_json:
            found = [{"text": str(problem), "warning": problem.warning} for problem in problems]
            self.stdout.write(json.dumps({"to_adopt": pending, "problems": found}))
        elif not pending:
            self.stdout.write("There is nothing to adopt: app.entity does not exist yet, or has been migrated.")
            return
        for problem in problems:
            if problem.warning and not as_json:
                self.stdout.write(f"Warning: {problem}")
        refused = [problem for problem in problems if not problem.warning]
        if refused:
            raise AdoptionRefused(refused)
        if not as_json:
            self.stdout.write("app.entity can be adopted: manage.py migrate does it.")
