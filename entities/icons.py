"""Lucide's icon set, by the component names its documents use: `FolderKanban` for `folder-kanban.svg`."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import as_file, files
from types import MappingProxyType
from typing import NamedTuple
from zipfile import ZipFile


class IconSet(NamedTuple):
    """Every drawing as JSON, by component name: what is inside its `<svg>`. `version` changes with the bytes."""

    payload: bytes
    version: str


@functools.cache
def icon_names() -> Mapping[str, str]:
    """Every icon's component name, with the name of its drawing."""
    with as_file(files("lucide") / "lucide.zip") as archive, ZipFile(archive) as drawings:
        names = sorted(name.removesuffix(".svg").rpartition("/")[2] for name in drawings.namelist())
    return MappingProxyType({component_name(name): name for name in names})


@functools.cache
def icon_set() -> IconSet:
    """All icons, for the browser's picker."""
    with as_file(files("lucide") / "lucide.zip") as archive, ZipFile(archive) as drawings:
        found = {name: _inside(drawings.read(f"{drawing}.svg").decode()) for name, drawing in icon_names().items()}
    payload = json.dumps(found, separators=(",", ":")).encode()
    return IconSet(payload, hashlib.blake2b(payload, digest_size=8).hexdigest())


def component_name(name: str) -> str:
    """`FolderKanban` for `folder-kanban`."""
    return "".join(part.capitalize() for part in name.split("-"))


def _inside(svg: str) -> str:
    return re.sub(r"\s+", " ", svg.partition(">")[2].rpartition("</svg>")[0]).replace("> <", "><").strip()
