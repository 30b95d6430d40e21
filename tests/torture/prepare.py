"""Tables, entity types, and a token for clients."""

from __future__ import annotations

import sys
from pathlib import Path

from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from rest_framework_simplejwt.tokens import AccessToken

from entities.models import Entity
from tests.torture.records import label_of


def prepare_database(codes: list[str], has_catalogue: bool) -> str:
    """Set up an empty database, with the catalogue if wished; returns a token that may change entity types."""
    call_command("migrate", interactive=False, verbosity=0)
    if has_catalogue:
        call_command("seed_entities", stdout=sys.stderr)
    for code in codes:
        Entity.objects.create(code=code, label=label_of(0), label_plural=code, icon="FolderKanban")
    with connection.cursor() as cursor:
        cursor.execute((Path(__file__).parent / "history.sql").read_text())
    user = User.objects.create_user("torture")
    user.user_permissions.set(Permission.objects.filter(codename="change_entity"))
    return str(AccessToken.for_user(user))
