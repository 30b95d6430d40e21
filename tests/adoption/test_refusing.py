"""
What stands in the way of an adoption is said in lines that tell how to mend it, and nothing is changed.

A role that is no superuser needs rights, which are told; deploy/postgres/roles.sql gives them.
"""

import re
import subprocess
from collections.abc import Callable

import psycopg
import pytest
from django.db import connections

from entities.adoption import AdoptionRefused, run
from entities.adoption.rows import SHOWN_ROWS
from entities.adoption.run import refuse_problems
from pmo.run.engines.postgres import program_folder
from tests.adoption.conftest import ALIAS, PLATFORM, Platform, dump
from tests.docs.pages import blocks_of
from tests.servers import ROOT, own_name

GOOD, BAD = (block.text.splitlines() for block in blocks_of(ROOT / "docs" / "adoption.md", "console"))
ADOPTABLE, REFUSED = GOOD[3], BAD[-1]
"""As the page shows them."""
ROWS = """
    ALTER TABLE app.entity ADD children text, ADD child text, ADD times integer;
    UPDATE app.entity SET child_entity_codes = '["task", "task", "ghost"]' WHERE code = 'project';
    INSERT INTO app.entity (code, entity_type, label, label_plural, icon, child_entity_codes, active_flag) VALUES
        ('Work Order', 'x', 'Work order', 'Work orders', 'Box', '["project"]', true),
        ('type', 'type', 'Type', 'Types', 'Box', '[]', true),
        ('office', 'office', 'Office', 'Offices', 'Box', '"[\\"task\\", \\"Work Order\\"]"', true),
        ('client', 'client', 'Client', 'Clients', 'NoSuchIcon', '["task", {"entity": "task"}, 7]', true),
        ('wiki', 'wiki', 'Wiki', 'Wikis', 'NoSuchIcon', '{}', NULL),
        (E'l''art\\x1b', 'art', '', 'Arts', 'Box', NULL, true);
    UPDATE app.entity SET created_ts = 'infinity' WHERE code = 'wiki';
"""
OF_ROWS = [
    'row "project": child_entity_codes lists unknown "ghost" and lists "task" more than once. Mend: UPDATE'
    ' "app"."entity"'
    " SET child_entity_codes = '[\"task\"]' WHERE code = 'project';",
    'row "office": child_entity_codes is a JSON string inside JSONB. Mend: UPDATE "app"."entity"'
    " SET child_entity_codes = '[\"task\", \"Work Order\"]' WHERE code = 'office';",
    'row "client": child_entity_codes lists what is not a string: {"entity": "task"}, 7. Mend: UPDATE',
    'row "wiki": child_entity_codes is not an array. Mend: UPDATE',
    'row "l\'art\\u001b": child_entity_codes is NULL. Mend: UPDATE',
    'row "wiki": active_flag is NULL. Mend: UPDATE "app"."entity" SET active_flag = true WHERE "active_flag" IS NULL;',
    'row "wiki": a time is not between the years 1 and 9999. Mend: UPDATE',
    'row "Work Order": the code is not a lower-case letter, then lower-case letters, digits or _, 50 at most. Mend:'
    " UPDATE \"app\".\"entity\" SET code = 'work_order' WHERE code = 'Work Order';",
    'row "type": the code is a word of the API\'s own paths. Mend: UPDATE',
    'row "l\'art\\u001b": the code is not',
]
COLUMNS = """
    DROP VIEW app.active_entity;
    ALTER TABLE app.entity ALTER COLUMN label TYPE text, ALTER COLUMN active_flag DROP DEFAULT,
        ALTER COLUMN active_flag TYPE integer USING 1, ALTER COLUMN active_flag SET DEFAULT 1,
        ALTER COLUMN child_entity_codes TYPE json, ALTER COLUMN child_entity_codes SET DEFAULT '[]'::json,
        ALTER COLUMN created_ts TYPE timestamp, ADD CONSTRAINT entity_times CHECK (code <> ''), DROP COLUMN icon;
    CREATE TABLE app.entity_event (id integer);
"""
OF_COLUMNS = [
    'column label: it is text, not character varying(100). Mend: ALTER TABLE "app"."entity" ALTER COLUMN "label" TYPE'
    ' character varying(100) USING "label"::character varying(100);',
    "column active_flag: it is integer, not boolean. Mend: ALTER TABLE",
    "column child_entity_codes: it is json, not jsonb. Mend: ALTER TABLE",
    REFUSED,
    "column icon: it is missing, and nothing says what it should hold. Mend: ALTER TABLE",
    "constraint entity_times: we have one of that name. Mend: ALTER TABLE",
    "app.entity_event: we have something of that name. Mend: ALTER TABLE",
]


@pytest.mark.parametrize(("broken", "lines"), [(ROWS, OF_ROWS), (COLUMNS, OF_COLUMNS)], ids=["rows", "columns"])
def test_each_line_says_where_and_what_and_its_mend_mends_it(
    make_platform: Callable[[str], Platform], broken: str, lines: list[str]
) -> None:
    platform = make_platform(PLATFORM + broken)
    before = dump(platform.url, whole=True)
    for command in (["check_adoption"], ["migrate", "entities"]):
        with pytest.raises(AdoptionRefused) as refused:
            platform.command(*command)
        said = str(refused.value).splitlines()[1:]
        assert [line for line in lines if not any(found.startswith(line) for found in said)] == []
        assert len(said) == len(lines)
    assert dump(platform.url, whole=True) == before
    mends = "\n".join(mend for line in said for mend in re.findall(r"Mend: (.*)", line))
    assert "\x1b" not in mends
    for _ in range(2):  # what was NULL or of another type is looked at only then
        platform.run(mends)
        try:
            platform.command("check_adoption")
            break
        except AdoptionRefused as again:
            mends = "\n".join(re.findall(r"Mend: (.*)", str(again)))
    platform.migrate()


def test_what_only_forms_refuse_is_a_warning(make_platform: Callable[[str], Platform]) -> None:
    odd = (
        "UPDATE app.entity SET icon = 'NoSuchIcon', label = E'a\\tb'; ALTER TABLE app.entity ENABLE ROW LEVEL SECURITY"
    )
    row = "('old', 'x', 'x', 'x', 'BarChart')"
    old = f"; INSERT INTO app.entity (code, entity_type, label, label_plural, icon) VALUES {row}"
    platform = make_platform(PLATFORM + odd + old)
    said = platform.command("check_adoption")
    assert 'Warning: row "project" and 1 more: icon "NoSuchIcon": NoSuchIcon is not a Lucide icon. Forms' in said
    assert 'Warning: row "project" and 1 more: label "a\\tb": Control characters are not allowed' in said
    assert "Warning: app.entity: it has row-level security" in said
    assert 'Warning: row "old": Lucide calls the icon BarChart ChartNoAxesColumnIncreasing now; both' in said
    assert ADOPTABLE in said
    assert 'icon "NoSuchIcon"' in platform.migrate()
    assert platform.run("SELECT count(*) FROM app.entity_event") == [(3,)]


def test_many_rows_are_told_by_the_first_and_their_number(make_platform: Callable[[str], Platform]) -> None:
    many = (
        "INSERT INTO app.entity (code, entity_type, label, label_plural, icon)"
        " SELECT upper('Code' || i), 'x', 'x', 'x', 'Box' FROM generate_series(1, 100) i;"
    )
    with pytest.raises(AdoptionRefused) as refused:
        make_platform(PLATFORM + many).migrate()
    said = str(refused.value).splitlines()[1:]
    assert len(said) == SHOWN_ROWS + 1
    assert said[-1].startswith(f"{100 - SHOWN_ROWS} more: the code is not a lower-case letter")


def test_a_view_cannot_be_adopted(make_platform: Callable[[str], Platform]) -> None:
    with pytest.raises(AdoptionRefused, match="it is a view"):
        make_platform("CREATE SCHEMA app; CREATE VIEW app.entity AS SELECT 'task' AS code").migrate()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ("('Late', 'x', 'x', 'x', 'Box')", 'row "Late": the code is not a lower-case letter'),
        ("('late', 'x', 'x', 'x', 'Box', '[\"ghost\"]')", 'row "late": child_entity_codes lists unknown "ghost"'),
        ("('late', 'x', 'x', 'x', 'Box', '[]', true, 'infinity')", 'row "late": a time is not between'),
    ],
    ids=["constraint", "children", "constraint of a later migration"],
)
def test_a_row_that_is_broken_just_before_the_lock_is_told_as_well(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, values: str, line: str
) -> None:
    def look_too_early(connection: object) -> None:
        refuse_problems(connection)
        monkeypatch.undo()
        platform.run(f"INSERT INTO app.entity VALUES {values}")

    monkeypatch.setattr(run, "refuse_problems", look_too_early)
    with pytest.raises(AdoptionRefused, match=line):
        platform.migrate()
    assert platform.run("SELECT to_regclass('app.entity_event')") == [(None,)]


def test_the_first_migration_by_itself_tells_it_too(make_platform: Callable[[str], Platform]) -> None:
    platform = make_platform(PLATFORM + "INSERT INTO app.entity VALUES ('Bad', 'x', 'x', 'x', 'Box')")
    with pytest.raises(AdoptionRefused, match='row "Bad": the code is not a lower-case letter'):
        platform.migrate("entities", "0001_initial")


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
