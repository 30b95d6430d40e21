"""The slow and the destructive console blocks of the pages; the others are run by tests/platform/test_launch.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.console import check_console_blocks, console_blocks, missing_programs
from tests.platform.running import launched

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason="the console blocks of the pages need curl and jq")


@pytest.mark.proof
def test_every_console_block_prints_what_its_page_says(tmp_path: Path) -> None:
    with launched(tmp_path / ".data") as launch:
        check_console_blocks(launch, proofs=True)


def test_the_pages_have_blocks_to_run() -> None:
    assert len(console_blocks(proofs=True)) > len(console_blocks(proofs=False)) > 1
