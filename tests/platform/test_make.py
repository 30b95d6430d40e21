"""The Makefile, as far as it can be tried from inside one of its targets."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.platform.running import bare_environment
from tests.servers import ROOT


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    make_program = shutil.which("make")
    assert make_program
    environment = bare_environment(**variables)
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # of the make that runs the tests
        environment.pop(name, None)
    return subprocess.run(
        [make_program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def programs_without_chromium(tmp_path: Path) -> str:
    """A PATH with the basic programs only."""
    for name in ("sh", "id", "echo"):
        program = shutil.which(name)
        assert program
        (tmp_path / name).symlink_to(program)
    return str(tmp_path)


def test_make_alone_lists_the_targets() -> None:
    listed = re.findall(r"^  make (\w+) +\S", make().stdout, re.MULTILINE)
    assert {"run", "test", "lint", "types", "lock", "clean"} <= set(listed)


def test_continuous_integration_runs_exactly_make_test() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"
    assert "test: lint browser " in (ROOT / "Makefile").read_text()
    said = make("--dry-run", "test").stdout
    for tool in ("ruff check", "lint-imports", "kingfisher scan", "mypy", "pytest -n 3"):
        assert said.count(f".venv/bin/{tool}") + said.count(f".venv/bin/python -m {tool}") == 1, tool


def test_missing_chromium_fails_with_advice(programs_without_chromium: str) -> None:
    said = make("browser", PATH=programs_without_chromium)
    assert said.returncode == 2
    assert "PMO_NO_BROWSER=1 make test" in said.stdout


def test_browser_tests_are_left_out_only_when_asked(programs_without_chromium: str) -> None:
    assert make("browser", PATH=programs_without_chromium, PMO_NO_BROWSER="1").returncode == 0
    assert "--ignore=tests/browser" in make("--dry-run", "test", PMO_NO_BROWSER="1").stdout
    assert "--ignore=tests/browser" not in make("--dry-run", "test").stdout
