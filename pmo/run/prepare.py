"""The steps between reachable engines and a platform ready to serve; all are idempotent."""

import logging
import os
from pathlib import Path

from rich.console import Console

from pmo.monitoring.logs import OUR_LOGGERS
from pmo.run.embedded import exclusive_lock, read_or_create_secret
from pmo.run.restarts import DidNotStart

ADMIN = "admin"
PASSWORD_BYTES = 18


def prepare_platform(directory: Path, console: Console) -> None:
    """
    Migrate, load the catalogue, create a superuser if there is none, warm the cache.

    Without Redis only the last step is skipped: the platform serves from the database.

    Raises:
        DidNotStart: the database is unusable.
        ImproperlyConfigured: a setting is wrong.
    """
    _load_django()
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError, connections

    from cache_layer import CacheUnavailable
    from pmo.people.provenance import running_command

    try:
        connections["default"].ensure_connection()
    except DatabaseError as error:
        raise DidNotStart(f"The database cannot be reached (DATABASE_URL): {str(error).strip()}") from None
    try:
        with exclusive_lock(directory / "prepare.lock", wait=True):
            call_command("migrate", interactive=False, verbosity=0)
            console.print("Entity types: ", end="")
            with running_command("seed_entities"):
                call_command("seed_entities")
            _ensure_superuser(directory, console)
    except (DatabaseError, CommandError) as error:
        raise DidNotStart(f"The database could not be set up: {str(error).strip()}") from None
    try:
        call_command("warm_cache", "--all")
    except (CacheUnavailable, CommandError) as error:
        console.print(f"The cache is not warmed; pages come from the database meanwhile. {error}", markup=False)
    connections.close_all()


def _load_django() -> None:
    """Load Django with the server's settings."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "pmo.settings"
    import django
    from django.conf import settings

    django.setup()
    # This process connects only briefly, and a direct connection reports why it fails.
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
    for name in OUR_LOGGERS:  # the terminal belongs to the progress bar
        logging.getLogger(name).setLevel(logging.ERROR)


def _ensure_superuser(directory: Path, console: Console) -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return
    if users.filter(username=ADMIN).exists():
        console.print(
            f"There is no superuser, and {ADMIN!r} is somebody else: make one with manage.py createsuperuser."
        )
        return
    password = read_or_create_secret(password_file(directory), PASSWORD_BYTES)
    users.create_superuser(ADMIN, password=password)
    console.print(f"Superuser {ADMIN} created, password {password}", markup=False)


def password_file(directory: Path) -> Path:
    """Where the first superuser's generated password is stored."""
    return directory / "admin_password"
