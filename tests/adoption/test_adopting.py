"""A platform's own `app.entity` becomes ours, loses nothing, and can be had back, also after later migrations."""

import json
import re
import threading
from collections.abc import Callable

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, router

from entities.adoption import AdoptionRefused, run
from entities.adoption.mends import quote_text
from entities.models import Entity
from tests.adoption.conftest import ALIAS, PLATFORM, Platform, dump, schema_of
from tests.conftest import make_entity, sql

NEIGHBOUR = """
    DROP ROLE IF EXISTS {0}; CREATE ROLE {0};
    GRANT USAGE ON SCHEMA app TO {0}; GRANT SELECT, INSERT, UPDATE, DELETE ON app.entity TO {0};
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""
BARE = """
    CREATE SCHEMA app;
    CREATE TABLE app.entity (code varchar(50), label varchar(100), label_plural varchar(100), icon varchar(50));
    INSERT INTO app.entity VALUES ('task', 'Task', 'Tasks', 'ListTodo');
"""


@pytest.fixture
def neighbour(platform: Platform) -> str:
    role = f"neighbour_{connection.settings_dict['NAME']}"
    platform.run(NEIGHBOUR.format(role))
    return role


def test_an_adopted_table_has_what_ours_has_and_is_given_back_as_it_was_found(
    make_platform: Callable[[str], Platform],
) -> None:
    fresh = make_platform("")
    fresh.migrate()
    ours = schema_of(fresh.url)
    fresh.migrate("entities", "zero")
    assert fresh.run("SELECT to_regclass('app.entity')") == [(None,)], "a table that we made is dropped"
    for made in (PLATFORM, BARE):
        platform = make_platform(made)
        before = dump(platform.url)
        platform.migrate()
        theirs = schema_of(platform.url)
        for number, (name, kind, not_null, default) in enumerate(theirs["columns"]):
            if default == "now()":  # the platform's own stays; ours is the statement's time
                theirs["columns"][number] = (name, kind, not_null, "statement_timestamp()")
        assert theirs == ours
        platform.migrate("entities", "zero")
        assert dump(platform.url) == before
    platform.migrate("entities", "0001_initial")
    platform.migrate()
    assert schema_of(platform.url) == ours, "and it can be adopted again, one migration after the other"


def test_rows_and_what_hangs_on_the_table_stay(
    platform: Platform, neighbour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "SELECT code, label, created_ts, modified_ts, db_table, column_metadata::text FROM app.entity ORDER BY 1"
    before = platform.run(rows)
    platform.command("check_adoption")
    platform.migrate("entities", "--fake-initial")
    assert platform.run(rows) == before
    assert platform.run("SELECT code FROM app.active_entity ORDER BY 1") == [("project",), ("task",)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        platform.run("DELETE FROM app.entity WHERE code = 'project'")
    assert platform.run(f"SELECT has_table_privilege('{neighbour}', 'app.entity', 'INSERT')") == [(True,)]
    found = platform.run("SELECT code, pgh_label, pgh_created_at = modified_ts FROM app.entity_event ORDER BY 1")
    assert found == [("project", "first", True), ("task", "first", True)], "history begins with the versions found"
    assert "nothing to adopt" in platform.command("check_adoption")
    assert json.loads(platform.command("check_adoption", "--json")) == {"to_adopt": False, "problems": []}
    monkeypatch.setattr(router, "db_for_write", lambda _: ALIAS)
    call_command("seed_entities")
    assert platform.run(rows) == before, "our catalogue stays out of it"


def test_a_neighbour_with_rights_on_the_table_alone_works_on_and_is_seen(platform: Platform, neighbour: str) -> None:
    insert = """
        INSERT INTO app.entity (code, entity_type, label, label_plural, icon, db_table)
        VALUES ('risk', 'risk', 'Risk', 'Risks', 'Bug', 'd_risk') ON CONFLICT (code) DO UPDATE SET label = 'Risk'
    """
    platform.run(insert, neighbour)
    platform.migrate()
    platform.run("DELETE FROM app.entity WHERE code = 'risk'", neighbour)
    platform.run(insert, neighbour)
    platform.run("UPDATE app.entity SET column_metadata = '{}' WHERE code = 'task'", neighbour)
    platform.run("UPDATE app.entity SET child_entity_codes = '[\"task\", \"risk\"]' WHERE code = 'project'", neighbour)
    seen = platform.run("SELECT identifier FROM cache_layer_outbox ORDER BY id")
    assert [code for (code,) in seen] == ["risk", "risk", "task", "project"]
    versions = platform.run("SELECT code, pgh_label FROM app.entity_event WHERE pgh_label <> 'first' ORDER BY pgh_id")
    assert versions == [("risk", "delete"), ("risk", "insert"), ("project", "update")]
    stamped = platform.run("SELECT code FROM app.entity WHERE modified_ts > now() - interval '1 hour' ORDER BY 1")
    assert [code for (code,) in stamped] == ["project", "risk", "task"]
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="unknown child entity types"):
        platform.run("UPDATE app.entity SET child_entity_codes = '[\"nothing\"]'", neighbour)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        platform.run("DELETE FROM app.entity_event", neighbour)


def test_a_failure_at_the_very_end_leaves_nothing_behind(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise CommandError("as if the last statement had failed")

    before = dump(platform.url)
    monkeypatch.setattr(run, "run_triggers_as_owner", fail)
    with pytest.raises(CommandError, match="the last statement"):
        platform.migrate()
    assert dump(platform.url) == before


def test_a_table_in_use_is_tried_again_and_left_alone_in_the_end(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmo.management.commands.migrate.LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(run, "PAUSE_SECONDS", 0)
    before = dump(platform.url)
    with psycopg.connect(platform.url) as reader:
        reader.execute("SELECT FROM app.entity")
        with pytest.raises(CommandError, match=r"app\.entity is in use, and nothing was changed"):
            platform.migrate()
        assert dump(platform.url) == before
        paused = threading.Event()

        def pause(_: float) -> None:
            reader.rollback()
            paused.set()

        monkeypatch.setattr("entities.adoption.run.time.sleep", pause)
        platform.migrate()
        assert paused.is_set()
    assert platform.run("SELECT count(*) FROM app.entity_event") == [(2,)]


INSERT = "INSERT INTO app.entity (code, entity_type, label, label_plural, icon) VALUES ('{0}', '{0}', 'x', 'x', 'Box')"
ORDER = "SELECT code FROM app.entity ORDER BY display_order, code"


def test_what_a_neighbour_adds_without_a_display_order_comes_last(platform: Platform) -> None:
    platform.migrate()
    for code in ("risk", "event"):
        platform.run(INSERT.format(code))
    assert [code for (code,) in platform.run(ORDER)] == ["project", "task", "risk", "event"]
    rows = ", ".join(f"('{code}', 'x', 'x', 'Box')" for code in ("b", "a"))
    platform.run(f"INSERT INTO app.entity (code, label, label_plural, icon) VALUES {rows}")
    assert [code for (code,) in platform.run(ORDER)][4:] == ["b", "a"], "rows of one statement too"


@pytest.mark.parametrize("text", ["it's", 'a\\b"c', "l'\x1b\x7f\n\u2028é\u202e\U0001f600\U000e0001"])
def test_a_mend_quotes_any_text_on_one_line_and_is_read_as_it_was(db: None, text: str) -> None:
    assert sql("SELECT " + quote_text(text)) == [(text,)]
    assert quote_text(text).isprintable()


def test_a_platforms_own_default_of_the_display_order_stays(make_platform: Callable[[str], Platform]) -> None:
    platform = make_platform(PLATFORM + "ALTER TABLE app.entity ADD display_order integer NOT NULL DEFAULT 5;")
    platform.migrate()
    platform.run(INSERT.format("risk"))
    assert platform.run("SELECT display_order FROM app.entity WHERE code = 'risk'") == [(5,)]
    platform.migrate("entities", "zero")
    platform.run(INSERT.format("event"))
    assert platform.run("SELECT display_order FROM app.entity WHERE code = 'event'") == [(5,)]


UNREADABLE = {"nfd": "Cafe\u0301", "turned": "abc\u202egnp", "unseen": "\u200b\u2060"}


def test_labels_that_could_not_be_read_are_refused_with_a_mend_that_mends_them(
    make_platform: Callable[[str], Platform],
) -> None:
    rows = ", ".join(f"('{code}', '{code}', '{label}', '{label}', 'Box')" for code, label in UNREADABLE.items())
    insert = f"INSERT INTO app.entity (code, entity_type, label, label_plural, icon) VALUES {rows};"
    platform = make_platform(PLATFORM + insert)
    with pytest.raises(AdoptionRefused) as refused:
        platform.migrate()
    said = str(refused.value)
    assert 'row "nfd": a label or the entity type is not in Unicode\'s composed form (NFC). Mend: UPDATE' in said
    assert 'row "turned": a label or the entity type has overrides of the direction, or nothing' in said
    for mend in re.findall(r"Mend: (.*)", said):
        platform.run(mend)
    platform.migrate()
    mended = platform.run("SELECT label, label_plural FROM app.entity WHERE icon = 'Box' ORDER BY code")
    assert mended == [("Café", "Café"), ("abcgnp", "abcgnp"), ("Unseen", "Unseens")]


def test_an_update_to_the_constraint_mends_the_rows_that_there_are_and_tells_them(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.migrate("entities", "0007_place_last")
    for code, label in UNREADABLE.items():
        values = f"('{code}', '{label}', '', 'Box')"
        platform.run(f"INSERT INTO app.entity (code, label, label_plural, icon) VALUES {values}")
    platform.migrate()
    assert r"Entity type nfd: ['Cafe\u0301', '', 'nfd'] is ['Caf\xe9', '', 'nfd'] now" in caplog.text
    assert platform.run("SELECT label FROM app.entity WHERE code = 'unseen'") == [("Unseen",)]
    seen = platform.run("SELECT DISTINCT identifier FROM cache_layer_outbox WHERE identifier = 'nfd'")
    assert seen == [("nfd",)], "and caches are told"


def test_a_neighbour_may_write_decomposed_labels_and_none_that_cannot_be_read(platform: Platform) -> None:
    platform.migrate()
    platform.run(INSERT.format("cafe").replace("'x'", "'Cafe\u0301'"))
    stamp = "SELECT modified_ts FROM app.entity WHERE code = 'cafe'"
    before = platform.run(stamp)
    platform.run("UPDATE app.entity SET label = 'Cafe\u0301' WHERE code = 'cafe'")
    assert platform.run("SELECT label FROM app.entity WHERE code = 'cafe'") == [("Café",)]
    assert platform.run(stamp) == before, "nothing was changed"
    platform.run("UPDATE app.entity SET label_plural = '' WHERE code = 'cafe'")
    for label in ("abc\u202egnp", "\u200b", " \u3164", "\U000e0020"):
        with pytest.raises(psycopg.errors.CheckViolation, match="entity_texts_readable"):
            platform.run(f"UPDATE app.entity SET label = '{label}' WHERE code = 'cafe'")


def test_a_row_that_is_saved_over_without_a_display_order_stays_where_it_is(db: None) -> None:
    make_entity("task", display_order=7)
    make_entity("task", label="Duty")
    assert Entity.objects.values_list("label", "display_order").get() == ("Duty", 7)
