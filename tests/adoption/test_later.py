"""What later migrations do to an adopted table."""

from __future__ import annotations

from collections.abc import Callable

from tests.adoption.conftest import PLATFORM, Platform

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
