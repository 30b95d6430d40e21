import json
import os
import re
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework_simplejwt.tokens import AccessToken

from entities.management.terminal import console_of
from pmo.environment.listener import Listener
from pmo.verification.claims import verify_claims
from pmo.verification.instances import Instance, InstanceFailed, headers_past_proxy


class Command(BaseCommand):
    help = (
        "Takes the eight steps of the cache's integration test against the running system, over HTTP, and prints what"
        " was observed. It works on temporary entity types of its own, and starts short-lived API servers beside yours."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        url = Listener.of(os.environ).url()
        parser.add_argument("--url", default=url, help="where the API answers (default, by HOST and PORT: %(default)s)")
        parser.add_argument("--token", help="an API token of a superuser; without it, one is made")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object, for programs")

    def handle(self, *, url: str, token: str | None, as_json: bool, **_: Any) -> None:
        console = console_of(self)
        if not re.match(r"https?://[^/]", url):
            raise CommandError(f"{url} is not a URL: give one like {Listener().url()}.")
        ours = url == Listener.of(os.environ).url()  # then no proxy is in between
        server = Instance("The API", url, token or self._make_token(), headers_past_proxy() if ours else {})
        try:
            claims = verify_claims(server, lambda line: None if as_json else console.print(line, markup=False))
        except InstanceFailed as error:
            raise CommandError(str(error)) from error
        if as_json:
            found = [{"claim": text, "seen": not problem, "problem": problem} for text, problem in claims.items()]
            self.stdout.write(json.dumps({"claims": found}, ensure_ascii=False) + "\n")
        else:
            seen, failed = _marks(console.encoding)
            console.print()
            for text, problem in claims.items():
                console.print(f"{failed} {text}: {problem}" if problem else f"{seen} {text}", markup=False)
        if any(claims.values()):
            raise CommandError("Not everything was observed.")

    def _make_token(self) -> str:
        superuser = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if superuser is None:
            raise CommandError("There is no superuser to make a token for: create one, or give --token.")
        return str(AccessToken.for_user(superuser))


def _marks(encoding: str) -> tuple[str, str]:
    """The marks for a claim that was observed and one that was not, in a terminal of this encoding."""
    try:
        "✅❌".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "OK:", "FAILED:"
    return "✅", "❌"
