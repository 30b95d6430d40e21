"""What `make matrix` tries is what is declared."""

from __future__ import annotations

import tomllib

from tests.matrix.axes import DECLARED
from tests.matrix.run import QUICK
from tests.servers import ROOT


def test_what_is_declared_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pythons = [name.rpartition(" ")[2] for name in project["classifiers"] if "Language :: Python" in name]
    assert tuple(pythons) == DECLARED["Python"]
    assert project["requires-python"] == f">={DECLARED['Python'][0]}"
    assert "django>=5.2,<7" in project["dependencies"]
    readme = (ROOT / "README.md").read_text()
    said = "Tested on Python 3.11 to 3.13, Django 5.2 and 6.1, PostgreSQL 15 to 18, Redis 7.2, Valkey 8 and 9"
    assert said in " ".join(readme.split())
    assert all((ROOT / "tests" / folder).is_dir() for folder in QUICK)
