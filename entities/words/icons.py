"""Lucide's icon set, by the component names its documentation uses: `FolderKanban` for `folder-kanban.svg`."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from zipfile import ZipFile

from django.utils.html import format_html
from django.utils.safestring import SafeString

FORMER_NAMES_FILE = Path(__file__).parents[1] / "data" / "former_icon_names.json"
TAGS_FILE = Path(__file__).parents[1] / "data" / "icon_tags.json"
"""Both files name their source; update them from the Lucide version of the package `lucide`."""


class IconOptions(NamedTuple):
    """An HTML option for each icon, with the words that find it; `version` changes with the bytes."""

    payload: bytes
    version: str


@functools.cache
def icon_names() -> Mapping[str, str]:
    """Every icon's component name, with the name of its drawing."""
    with as_file(files("lucide") / "lucide.zip") as archive, ZipFile(archive) as drawings:
        names = sorted(name.removesuffix(".svg").rpartition("/")[2] for name in drawings.namelist())
    return MappingProxyType({component_name(name): name for name in names})


@functools.cache
def former_names() -> Mapping[str, str]:
    """Former icon names that Lucide still exports, with each icon's current name."""
    return MappingProxyType(json.loads(FORMER_NAMES_FILE.read_bytes())["names"])


def current_name(name: str) -> str | None:
    """
    The component name of the icon that Lucide exports as `name`; None if there is none.

    Lucide also exports each name, former ones included, as `LucideHouse` and `HouseIcon`.
    """
    for each in (name, name.removesuffix("Icon"), name.removeprefix("Lucide")):
        if each in icon_names():
            return each
        if each in former_names():
            return former_names()[each]
    return None


def describe_former(name: str) -> str:
    """A note on an icon name that has been replaced; empty if it is current."""
    now = current_name(name)
    return f"Lucide calls the icon {name} {now} now; both names work." if now and now != name else ""


@functools.cache
def icon_options() -> IconOptions:
    """All icons, for the browser's picker."""
    tags = json.loads(TAGS_FILE.read_bytes())["tags"]
    called = {name: [name] for name in icon_names()}
    for former, name in former_names().items():
        called[name].append(former)
    with as_file(files("lucide") / "lucide.zip") as archive, ZipFile(archive) as drawings:
        options = [
            format_html(
                '<div class="icon-option" role="option" title="{}" data-names="{}" data-tags="{}">{}</div>',
                name,
                "".join(map(_words_of, called[name])),
                f" {' '.join(tags.get(drawing, ())).lower()} ",
                SafeString(_in_line(drawings.read(f"{drawing}.svg").decode())),
            )
            for name, drawing in icon_names().items()
        ]
    payload = "".join(options).encode()
    return IconOptions(payload, hashlib.blake2b(payload, digest_size=8).hexdigest())


def component_name(name: str) -> str:
    """`FolderKanban` for `folder-kanban`."""
    return "".join(part.capitalize() for part in name.split("-"))


def _words_of(name: str) -> str:
    """` folder kanban folderkanban ` for `FolderKanban`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", name)
    return " ".join(("", *dict.fromkeys((spaced.lower(), name.lower())), ""))


def _in_line(svg: str) -> str:
    return re.sub(r' xmlns="[^"]*"|\s+(?=/?>)', "", re.sub(r"\s+", " ", svg)).replace("> <", "><").strip()
