"""An adoption by a role that is no superuser: what it needs, and what deploy/postgres/roles.sql gives."""

from __future__ import annotations

import re
import subprocess

import psycopg
import pytest
from django.db import connections

from entities.adoption import AdoptionRefused
from pmo.run.engines.postgres import program_folder
from tests.adoption.conftest import ALIAS, Platform
from tests.servers import ROOT, own_name

OWNER, MIGRATOR, WEB = map(own_name, ("own", "migr", "web_of"))
FORBIDDEN_TO_WEB = [
    "TRUNCATE app.entity",
    "ALTER TABLE app.entity DROP COLUMN label",
    "SELECT FROM app.entity_adoption",
    "UPDATE app.entity_adoption SET added = '{}'",
    "SELECT FROM app.entity_instance",
]


@pytest.fixture
def owned_platform(platform: Platform) -> Platform:
    """Its schema and its tables are a role's of its own."""
    platform.run(
        f"DROP ROLE IF EXISTS {OWNER}, {MIGRATOR}, {WEB}; CREATE ROLE {OWNER}; ALTER SCHEMA app OWNER TO {OWNER}"
    )
    for table in ("entity", "entity_instance", "active_entity"):
        platform.run(f"ALTER TABLE app.{table} OWNER TO {OWNER}")
    return platform


def test_rights_that_are_missing_are_told_by_their_grants(owned_platform: Platform) -> None:
    owned_platform.run(f"CREATE ROLE {MIGRATOR} LOGIN; ALTER ROLE {MIGRATOR} SET search_path = app, public")
    connections.databases[ALIAS]["USER"] = MIGRATOR
    with pytest.raises(AdoptionRefused) as refused:
        owned_platform.command("check_adoption")
    said = str(refused.value)
    assert f"app.entity: it belongs to {OWNER}, and {MIGRATOR} is not a member of that role. Mend: GRANT" in said
    assert "search_path: tables would be made in app, and the triggers look for them in public" in said
    for grant in re.findall("Mend: (.*)", said):
        owned_platform.run(grant)
    connections[ALIAS].close()
    owned_platform.migrate()


def test_the_roles_that_we_ship_can_adopt_and_no_more(owned_platform: Platform) -> None:
    variables = [f"--set={name}" for name in ("ON_ERROR_STOP=1", f"migrator={MIGRATOR}", f"web={WEB}")]
    psql = [program_folder() / "psql", "-XqAt", *variables]
    subprocess.run([*psql, "-f", ROOT / "deploy/postgres/roles.sql", owned_platform.url], check=True)
    connections.databases[ALIAS]["USER"] = MIGRATOR
    owned_platform.migrate()
    assert owned_platform.run("SELECT tableowner FROM pg_tables WHERE tablename = 'entity'") == [(OWNER,)]
    owned_platform.run("UPDATE app.entity SET label = 'New' WHERE code = 'task'", WEB)
    owned_platform.run("UPDATE app.entity SET label = 'Newer' WHERE code = 'task'", OWNER)
    assert owned_platform.run("SELECT count(*) FROM cache_layer_outbox", WEB) == [(2,)]
    assert owned_platform.run("SELECT count(*) FROM app.entity_event", WEB) == [(4,)]
    for statement in FORBIDDEN_TO_WEB:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owned_platform.run(statement, WEB)
    connections[ALIAS].close()
    owned_platform.migrate("entities", "zero")
