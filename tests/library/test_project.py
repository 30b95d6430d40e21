"""A Django project that is not ours makes two models coherent, with the wheel and what the wheel says it needs."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library.installed import DRIVER, ISOLATED, PROJECT, Project, foreign_project, install_wheel
from tests.servers import ROOT

CLAIMS = str(Path(__file__).parent / "claims.py")
NOT_NEEDED = ["prometheus_client", "backports.zstd", "opentelemetry", "msgspec", "rest_framework", "pghistory"]
OURS = ["pmo", "entities", "tests"]
SEEN = {
    "importable": [],
    "checks": 4,
    "read": [9_000, None, True],
    "changed elsewhere": 9_500,
    "changed by the base manager, as Django does": 9_600,
    "somebody else's model, renamed elsewhere": ["writers"],
    "deleted": None,
    "own write": 1,
    "rolled back": 9_600,
    "from memory": True,
    "cache": [9_600, None, True, {"a": 1}],
    "refused": "'shop.rate:senior' is a coherent entry, built from rows: it can only be read and deleted.",
    "view": {"cents_per_hour": 9_600},
    "counted without prometheus-client": True,
    "changed by SQL": {"cents_per_hour": 7},
}


def set_up(project: Project) -> None:
    """As the page says."""
    project.run("manage.py", "makemigrations", "shop")
    project.run("manage.py", "migrate", "--verbosity", "0")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library") / "site"


@pytest.fixture(scope="module")
def needed(site: Path) -> list[str]:
    """What the wheel requires, without the extras."""
    return [text for text in install_wheel(site).requires or () if "extra ==" not in text]


@pytest.fixture
def project(needed: list[str], site: Path, tmp_path: Path) -> Iterator[Project]:
    with foreign_project(tmp_path, ISOLATED, PYTHONPATH=str(site), PYTHONDONTWRITEBYTECODE="1") as made:
        yield made


def test_the_wheel_has_the_library_whole_and_nothing_else(needed: list[str], site: Path) -> None:
    here = {path.relative_to(ROOT) for path in (ROOT / "cache_layer").rglob("*") if path.is_file()}
    there = {path.relative_to(site) for path in (site / "cache_layer").rglob("*") if path.is_file()}
    assert there == {path for path in here if "__pycache__" not in path.parts}
    assert {"fill.lua", "record_row.sql", "0001_outbox.py", "py.typed"} <= {path.name for path in there}
    own = {path.name for path in site.iterdir() if not path.is_symlink()}
    assert {name.partition("-")[0] for name in own} == {"cache_layer"}
    assert {re.split(r"[<>=\[]", text)[0].strip() for text in needed} == {
        *("django", "django-pgtrigger", "django-redis", "psycopg", "redis"),
    }


def test_two_models_of_a_foreign_project_are_coherent(project: Project) -> None:
    set_up(project)
    migration = (project.directory / "shop" / "migrations" / "0001_initial.py").read_text()
    assert "('cache_layer', '" in migration, "the triggers' migration comes after the outbox's"
    assert json.loads(project.run(CLAIMS, *NOT_NEEDED, *OURS)) == SEEN


@pytest.mark.proof
def test_they_are_in_an_environment_made_by_pip(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT, DRIVER], check=True)
    with foreign_project(tmp_path, [str(python)]) as project:
        set_up(project)
        assert json.loads(project.run(CLAIMS, *NOT_NEEDED, *OURS)) == SEEN


def test_the_quickstart_is_this_project_line_by_line() -> None:
    page = (ROOT / "docs" / "adopting.md").read_text()
    shown = dict(re.findall(r"^`(\S+\.py)`.*?:\n\n```python\n(.*?)```$", page, re.MULTILINE | re.DOTALL))
    files = {str(path.relative_to(PROJECT)): path.read_text() for path in PROJECT.rglob("*.py")}
    assert shown == {name: text for name, text in files.items() if text}
    assert sum(text.count("\n") for text in files.values()) < 60
