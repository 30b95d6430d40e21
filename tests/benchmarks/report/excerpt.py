"""
The figures of docs/benchmarks.md that the README repeats.

`make bench` puts them there, and `python -m tests.benchmarks.report.excerpt` alone.
"""

import re
from pathlib import Path

from tests import ROOT

README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- make bench: from here -->", "<!-- make bench: to here -->"
CROWDS = ("200 x 25", "2,000 x 25", "200 x 2,000")
COLUMNS = ("people x entity types", "ours", "classic", "Node", "constant")
HEADINGS = (
    "people x entity types",
    "ours",
    "classic: DRF, django-redis",
    "Node: Fastify, ioredis",
    "a constant answer",
)
SERVERS = (
    "ours through the express lane",
    "classic cache-aside: DRF, django-redis",
    "Node: Fastify, ioredis, postgres",
)


def excerpt_of(page: str) -> str:
    """Some rows of the crowd's table, and what a change takes."""
    crowds, changes = _table(page, "Hits over HTTP of a crowd"), _table(page, "Changes")
    rows = [[row[name] for name in COLUMNS] for row in crowds if row[COLUMNS[0]] in CROWDS]
    [measured] = re.findall(r"^(\d{4}-\d\d-\d\d): ", page, re.MULTILINE)
    alone, beside = (name for name in changes[0] if "p50" in name)
    ours, classic, node = ({row["server"]: row for row in changes}[name] for name in SERVERS)
    return "\n".join(
        [
            f"| {' | '.join(HEADINGS)} |",
            "|---|--:|--:|--:|--:|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"Measured on {measured}. The price: a change waits until no process has an old copy left. A PATCH takes",
            f"{ours[alone]} ms (classic {classic[alone]}, Node {node[alone]}), and {ours[beside]} while 16 people read"
            f" the same type ({classic[beside]}, {node[beside]}).",
        ]
    )


def _table(page: str, title: str) -> list[dict[str, str]]:
    """The rows of the first table below a heading, by its columns."""
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.findall(r"^\|.*\|$", section, re.MULTILINE)
    )
    return [dict(zip(head, row, strict=True)) for row in rows]


def write_excerpt() -> Path:
    """Put the page's figures in place of the README's last ones."""
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{excerpt_of(PAGE.read_text())}\n{END}{rest.partition(END)[2]}")
    return README


if __name__ == "__main__":
    write_excerpt()
