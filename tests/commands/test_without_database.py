"""Commands while the database is away."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable

import pytest

from tests.servers import ROOT


def test_a_command_without_the_database_says_so_in_a_line(
    committed_db: None, without_database: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_database()
    # Unfold's list of entity types, once shown in a process, is nothing that Django's checks pass.
    monkeypatch.setattr(sys, "argv", ["manage.py", "cache_status", "--skip-checks"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
    assert str(ended.value).startswith("The database does not do its work: ")
