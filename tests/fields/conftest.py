"""The next release, and a database for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django.plugin import DjangoDbBlocker

from tests.fields.next_release import make_next_release
from tests.servers import another_database, own_name, worker_environment


@pytest.fixture
def found_with_remark(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """What `with_remark` finds in a tree whose entity types have one more field."""
    make_next_release(tmp_path)
    with django_db_blocker.unblock():
        connections.close_all()  # a database that is copied is nobody's else
    with another_database(own_name("remark"), connection.settings_dict["NAME"]) as database_url:
        yield run_through(tmp_path, database_url)


def run_through(tree: Path, database_url: str) -> dict[str, Any]:
    script = Path(__file__).with_name("with_remark.py")
    environment = worker_environment() | {"DATABASE_URL": database_url, "PYTHONPATH": str(tree), "CACHE_RELAY": "false"}
    done = subprocess.run(
        [sys.executable, script], cwd=tree, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
