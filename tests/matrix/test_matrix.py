"""The tool behind `make matrix`, but for the runs themselves."""

from __future__ import annotations

import re
import tomllib

import pytest
from rich.console import Console

from tests.matrix.__main__ import missing_table
from tests.matrix.axes import DECLARED, Part
from tests.matrix.plan import plan_combinations
from tests.matrix.run import QUICK
from tests.servers import ROOT


def parts_without(*missing: str) -> list[Part]:
    parts = [Part(axis, name, f"/{name}") for axis, names in DECLARED.items() for name in names]
    return [Part(each.axis, each.name, why="gone") if str(each) in missing else each for each in parts]


def test_each_version_is_tried_and_with_it_what_make_test_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.matrix.plan.DEFAULT", {**dict.fromkeys(DECLARED, ""), "Python": "3.12", "Django": "5.2"})
    planned = plan_combinations(parts_without())
    assert str(planned[0]) == "Python 3.12, Django 5.2, PostgreSQL 18, Valkey 9"
    assert {part for each in planned for part in each.parts} == set(parts_without())
    assert "Python 3.11, Django 5.2, PostgreSQL 15, Redis 7.2" in map(str, planned)
    assert "Python 3.14, Django 6, PostgreSQL 18, Valkey 9" in map(str, planned)
    assert len(planned) == len(set(planned)) < 15


def test_what_cannot_be_had_is_not_tried_but_told() -> None:
    parts = parts_without("Python 3.14", "Python 3.13", "Python 3.12", "PostgreSQL 15")
    planned = plan_combinations(parts)
    assert all(part.where for each in planned for part in each.parts)
    assert not any("Django 6" in str(each) for each in planned), "it does not run on Python 3.11"
    assert "Python 3.11, Django 5.2, PostgreSQL 16, Redis 7.2" in map(str, planned), "the oldest that there is"
    console = Console(width=150)
    with console.capture() as captured:
        console.print(missing_table(parts))
    assert re.search("PostgreSQL 15.*gone", captured.get())


def test_what_is_declared_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pythons = [name.rpartition(" ")[2] for name in project["classifiers"] if "Language :: Python" in name]
    assert tuple(pythons) == DECLARED["Python"]
    assert project["requires-python"] == f">={DECLARED['Python'][0]}"
    assert "django>=5.2,<7" in project["dependencies"]
    readme = (ROOT / "README.md").read_text()
    said = "tried on Python 3.11 to 3.13, Django 5.2 and 6.1, PostgreSQL 15 to 18, Redis 7.2, Valkey 8 and 9"
    assert said in " ".join(readme.split())
    assert all((ROOT / "tests" / folder).is_dir() for folder in QUICK)
