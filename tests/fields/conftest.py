"""The next release, and a database for it."""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django.plugin import DjangoDbBlocker

from tests.servers import ROOT, another_database, own_name, run_program, worker_environment


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
    done = run_program(sys.executable, script, cwd=tree, env=environment, seconds=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


HOW = (ROOT / "docs/architecture.md").read_text().partition("## Adding a field")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", HOW.replace("description", "remark"), re.DOTALL)
"""What the documentation says to add, under a name that nobody has taken."""


def make_next_release(tree: Path) -> None:
    """Fill an empty folder; all but `entities` is ours."""
    for name in ("cache_layer", "pmo", "templates"):
        (tree / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "manage.py", tree)  # Python looks beside the file that a link to a script leads to
    shutil.copytree(ROOT / "entities", tree / "entities")
    field, member = (textwrap.indent(textwrap.dedent(block), "    ") for block in BLOCKS)
    _add(tree / "entities/models.py", field, before="    child_entity_codes = models.JSONField(")
    _add(tree / "entities/documents.py", member, before="\n\ndef document_of")


def _add(file: Path, lines: str, *, before: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, lines + before))
