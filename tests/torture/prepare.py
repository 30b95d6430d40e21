"""Tables, entity types, and a token for clients."""

import sys
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from entities.models import Entity
from tests.benchmarks.rows import prepare_tables
from tests.torture.records import label_of


def prepare_database(codes: list[str], has_catalogue: bool) -> str:
    """Set up an empty database, with the catalogue if wished; returns a token that may change entity types."""
    token = prepare_tables()
    if has_catalogue:
        call_command("seed_entities", stdout=sys.stderr)
    for code in codes:
        Entity.objects.create(code=code, label=label_of(0), label_plural=code, icon="FolderKanban")
    with connection.cursor() as cursor:
        cursor.execute((Path(__file__).parent / "history.sql").read_text())
    return token
