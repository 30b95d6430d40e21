"""Django's `flush`, which also says that it leaves the entity types alone."""

from typing import Any

from django.core.management.commands import flush


class Command(flush.Command):
    help = "Removes all users, sign-ins and other data of the schema public. The schema app stays: entity types, their history, the log."  # noqa: E501 - one line of help

    def handle(self, **options: Any) -> None:
        super().handle(**options)
        if options["verbosity"]:
            self.stdout.write(
                "The schema app was left as it is: entity types, their history, and the log of operations, which are"
                " permanent. To remove them too, run `manage.py migrate entities zero` and `manage.py migrate`."
            )
