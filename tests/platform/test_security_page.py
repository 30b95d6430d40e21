"""What docs/security.md says is shown by tests that exist, and what is installed is what was locked."""

from __future__ import annotations

import re

import pytest

from tests.servers import ROOT

NAMED = re.compile(r"`(?:([a-z_/]+\.py)::)?(test_[a-z0-9_]+)`")


def threats() -> list[list[str]]:
    """The cells of the page's table."""
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return rows[1:]


def test_every_threat_names_tests_that_exist() -> None:
    assert len(threats()) > 25
    for threat, _, shown in threats():
        named = NAMED.findall(shown)
        assert named, threat
        file = ""
        for in_file, test in named:
            file = in_file or file
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"{threat}: {file}::{test}"


@pytest.mark.parametrize("file", ["requirements.txt", "tests/requirements.txt", "deploy/requirements.txt"])
def test_every_package_is_pinned_with_its_hashes(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(packages) > 20
    assert [line for line in packages if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    assert "--require-hashes --requirement" in (ROOT / "Makefile").read_text()
    assert "--require-hashes" in (ROOT / "deploy" / "Dockerfile").read_text()
