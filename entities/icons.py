"""Lucide's icon set, by the component names its documents use: `FolderKanban` for `folder-kanban.svg`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import as_file, files
from types import MappingProxyType
from zipfile import ZipFile


@functools.cache
def icon_names() -> Mapping[str, str]:
    """Every icon's component name, with the name of its drawing."""
    with as_file(files("lucide") / "lucide.zip") as archive, ZipFile(archive) as drawings:
        names = sorted(name.removesuffix(".svg").rpartition("/")[2] for name in drawings.namelist())
    return MappingProxyType({component_name(name): name for name in names})


def component_name(name: str) -> str:
    """`FolderKanban` for `folder-kanban`."""
    return "".join(part.capitalize() for part in name.split("-"))
