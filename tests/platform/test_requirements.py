"""What is installed is what was locked."""

from __future__ import annotations

import re

import pytest

from tests.servers import ROOT


@pytest.mark.parametrize("file", ["requirements.txt", "tests/requirements.txt", "deploy/requirements.txt"])
def test_every_package_is_pinned_with_its_hashes(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(packages) > 20
    assert [line for line in packages if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    assert "--require-hashes --requirement" in (ROOT / "Makefile").read_text()
    assert "--require-hashes" in (ROOT / "deploy" / "Dockerfile").read_text()
