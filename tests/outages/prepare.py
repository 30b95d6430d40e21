"""What the matrix needs in the database: an ordinary role, entity types, a user with a token and a session."""

from typing import NamedTuple

ROLE = "outages"
READ, CHANGED = "steady", "changing"
"""The entity types that are read, and changed."""
USERNAME, PASSWORD = "outages", "a long pass phrase"


class Prepared(NamedTuple):
    """What servers and clients must know."""

    secret_key: str
    token: str
    session: str


def prepare(secret_key: str) -> Prepared:
    """Fill a migrated database; Django's settings have the same secret key."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from rest_framework_simplejwt.tokens import AccessToken

    from entities.models import Entity

    for code in (READ, CHANGED):
        Entity.objects.create(code=code, label="Label 0", label_plural=code, icon="FolderKanban")
    user = User.objects.create_superuser(USERNAME, password=PASSWORD)
    browser = Client()
    browser.force_login(user)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}')"
            f" THEN CREATE ROLE {ROLE} LOGIN; END IF; END $$;"
            f"ALTER ROLE {ROLE} RESET ALL; ALTER ROLE {ROLE} CONNECTION LIMIT -1;"
            f"GRANT USAGE ON SCHEMA app, public TO {ROLE};"
            f"GRANT ALL ON ALL TABLES IN SCHEMA app, public TO {ROLE};"
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA app, public TO {ROLE};"
        )
    return Prepared(secret_key, str(AccessToken.for_user(user)), browser.cookies["sessionid"].value)


def prepare_database() -> Prepared:
    """Make the tables, and fill them."""
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    return prepare(settings.SECRET_KEY)
