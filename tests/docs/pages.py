"""The README and the pages beside it, as tests read them."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.servers import ROOT

PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^(?:<!-- (?P<mark>.+?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """
    What stands between two lines of backticks.

    Attributes:
        where: page and line.
        mark: what a comment on the line before says, such as "proof" or "not run: the reason".
    """

    where: str
    language: str
    mark: str
    text: str


@cache
def read_page(path: Path) -> str:
    return path.read_text()


def blocks_of(page: Path, *languages: str) -> list[Block]:
    """The page's blocks in these languages."""
    text = read_page(page)
    return [
        Block(f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}", language, found["mark"] or "", found["text"])
        for found in BLOCK.finditer(text)
        if (language := found["language"]) in languages
    ]


def section_of(page: str, heading: str) -> str:
    """What stands below a heading of a page, up to the next one of its level or above; without a heading all of it."""
    text = read_page(ROOT / page)
    if not heading:
        return text
    level = heading.partition(" ")[0]
    below = f"\n{text}".partition(f"\n{heading}\n")[2]
    assert below, f"{page} has no {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def rows_of(page: str, heading: str = "") -> list[list[str]]:
    """The cells of every row of the tables there, their heads left out."""
    lines = section_of(page, heading).splitlines()
    rows = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("| ") and not following.startswith("|---")
    ]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows]


def code_in(text: str) -> list[str]:
    """What is set as code in a cell or a text."""
    return re.findall(r"`([^`\n]+)`", text)


def all_code(page: Path) -> list[str]:
    """Every line of the page's blocks, and everything else that is set as code."""
    text = read_page(page)
    lines = [line for block in BLOCK.finditer(text) for line in block["text"].splitlines()]
    return lines + code_in(BLOCK.sub("", text))


def documented_settings() -> dict[str, str | None]:
    """Every variable of docs/settings.md with its default; None where that is described and not written out."""
    found: dict[str, str | None] = {}
    for names, defaults, _ in rows_of("docs/settings.md"):
        each = re.findall(r"`([^`]+)`|\*([^*]+)\*", defaults)
        for name, (literal, _) in zip(code_in(names), each, strict=True):
            found[name] = literal or None
    return found


def anchors_of(page: Path) -> set[str]:
    """Where links into a page may lead, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", read_page(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
