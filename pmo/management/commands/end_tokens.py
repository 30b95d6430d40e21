from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cache_layer import WriteRefused
from pmo.people.provenance import running_command
from pmo.people.sign_on import is_name
from pmo.people.tokens import end_tokens


class Command(BaseCommand):
    help = "Ends every token that somebody has: what the sign-on has issued for this name, and the logins here."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", metavar="name", help="as the tokens have it: SIGN_ON_USER_CLAIM")

    def handle(self, *, names: list[str], **_: Any) -> None:
        for name in names:
            if not is_name(name):
                raise CommandError(f"No token has the name {name!r}: nothing was ended.")
        for name in names:
            try:
                with running_command("end_tokens"):
                    end_tokens(name)
            except WriteRefused as error:
                raise CommandError(f"The tokens of {name} were not ended. {error}") from error
            self.stdout.write(f"The tokens of {name} have ended.")
