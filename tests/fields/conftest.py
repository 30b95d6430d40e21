"""A tree of the project whose entity types have one more field, and a database for it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import connection, connections
from pytest_django.plugin import DjangoDbBlocker

from tests.servers import ROOT, another_database, own_name, worker_environment

HOW = (ROOT / "docs/architecture.md").read_text().partition("## Adding a field")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", HOW.replace("description", "remark"), re.DOTALL)
"""What the documentation says to add, under a name that nobody has taken."""


class Extended(NamedTuple):
    """
    The next release.

    Attributes:
        tree: where its code is; all but `entities` is ours.
        database_url: a database that it has migrated.
        found: what `with_remark` found everywhere.
    """

    tree: Path
    database_url: str
    found: dict[str, Any]


@pytest.fixture(scope="module")
def extended(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Extended]:
    tree = tmp_path_factory.mktemp("next_release")
    for name in ("cache_layer", "pmo", "templates", "manage.py"):
        (tree / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "entities", tree / "entities")
    field, member = (textwrap.indent(textwrap.dedent(block), "    ") for block in BLOCKS)
    add(tree / "entities/models.py", field, before="    child_entity_codes = models.JSONField(")
    add(tree / "entities/documents.py", member, before="\n\ndef document_of")
    with django_db_blocker.unblock():
        connections.close_all()  # a database that is copied is nobody's else
    with another_database(own_name("remark"), connection.settings_dict["NAME"]) as database_url:
        yield Extended(tree, database_url, run_through(tree, database_url))


def add(file: Path, lines: str, *, before: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, lines + before))


def run_through(tree: Path, database_url: str) -> dict[str, Any]:
    script = Path(__file__).with_name("with_remark.py")
    environment = worker_environment() | {"DATABASE_URL": database_url, "PYTHONPATH": str(tree), "CACHE_RELAY": "false"}
    done = subprocess.run(
        [sys.executable, script], cwd=tree, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
