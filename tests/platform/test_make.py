"""The Makefile, as far as it can be tried from inside one of its targets; what it installs is what was locked."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.platform.running import bare_environment
from tests.servers import ROOT, run_program


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_program(str(shutil.which("make")), *arguments, env=bare_environment(**variables))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder, for PATH, with the basic programs only."""
    for name in ("sh", "id", "echo"):
        program = shutil.which(name)
        assert program
        (tmp_path / name).symlink_to(program)
    return tmp_path


def test_make_alone_lists_the_targets() -> None:
    listed = re.findall(r"^  make (\w+) +\S", make().stdout, re.MULTILINE)
    assert {"run", "test", "lint", "types", "lock", "clean"} <= set(listed)


def test_continuous_integration_runs_exactly_make_test() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"
    assert "test: lint browser " in (ROOT / "Makefile").read_text()
    said = make("--dry-run", "test").stdout
    for tool in ("ruff check", "lint-imports", "kingfisher scan", "mypy", "pytest -n 4"):
        assert said.count(f".venv/bin/{tool}") + said.count(f".venv/bin/python -m {tool}") == 1, tool


def test_without_chromium_everything_else_is_tested_and_the_last_line_says_so(programs: Path) -> None:
    said = make("browser", PATH=str(programs), CI="")
    assert (said.returncode, said.stdout) == (0, "")
    planned = make("--dry-run", "test", PATH=str(programs), CI="").stdout
    assert "--ignore=tests/browser" in planned
    last = planned.splitlines()[-1]
    assert last.startswith('echo "Left out: the browser tests.')
    assert "apt install chromium-headless-shell" in last


def test_without_chromium_continuous_integration_fails_with_advice(programs: Path) -> None:
    said = make("browser", PATH=str(programs), CI="true")
    assert said.returncode == 2
    assert "apt install chromium-headless-shell" in said.stdout
    assert "PMO_NO_BROWSER=1 make test" in said.stdout
    assert make("browser", PATH=str(programs), CI="true", PMO_NO_BROWSER="1").returncode == 0


def test_with_chromium_nothing_is_left_out_unless_that_is_asked_for(programs: Path) -> None:
    (programs / "chromium").symlink_to(programs / "echo")
    planned = make("--dry-run", "test", PATH=str(programs)).stdout
    assert "--ignore=tests/browser" not in planned
    assert "Left out" not in planned
    assert "--ignore=tests/browser" in make("--dry-run", "test", PATH=str(programs), PMO_NO_BROWSER="1").stdout


@pytest.mark.parametrize("file", ["requirements.txt", "tests/requirements.txt", "deploy/requirements.txt"])
def test_every_package_is_pinned_with_its_hashes(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(packages) > 20
    assert [line for line in packages if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    assert "--require-hashes --requirement" in (ROOT / "Makefile").read_text()
    assert "--require-hashes" in (ROOT / "deploy" / "Dockerfile").read_text()
