"""A tree of the project whose entity types have one more field, `remark`, but no migration for it yet."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

from tests.servers import ROOT

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
