"""What later migrations do to an adopted table."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest

from entities.adoption import AdoptionRefused
from entities.models import Entity
from tests.adoption.conftest import PLATFORM, Platform
from tests.conftest import make_entity

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
