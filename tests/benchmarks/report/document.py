"""`docs/benchmarks.md` and its chart, made from the figures of one run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.plan import LONG_MEASURES
from tests.benchmarks.report.chart import draw_hits
from tests.benchmarks.report.prose import AGAIN, INTRODUCTION, METHOD, SECTIONS
from tests.benchmarks.report.tabled import Tabled
from tests.benchmarks.report.tables import all_tables

CHART = "images/benchmarks.svg"
EARLIER = "From an earlier run: this measure takes long, and runs where it is asked for (`--also`)."


def write_documents(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the page and its chart; returns the two files."""
    chart, page = folder / CHART, folder / "benchmarks.md"
    chart.write_text(draw_hits(results["crowd"], results["throughput"]))
    page.write_text(compose_page(results, page.read_text() if page.exists() else ""))
    return [page, chart]


def compose_page(results: Mapping[str, Any], before: str = "") -> str:
    """
    The Markdown of a whole run.

    Args:
        before: the page until now; its sections of long measures stay where this run has none.
    """
    tables = all_tables(results)
    parts = [
        INTRODUCTION,
        _machine(results["machine"]),
        f"## {tables['required'].title}\n",
        _markdown(tables["required"]),
    ]
    parts += [f"\n![Answers a second of a crowd and of one reader]({CHART})\n", METHOD]
    for name, tabled in tables.items():
        if name in SECTIONS:
            title, text = SECTIONS[name]
            parts += [f"## {title}\n", f"{_wrapped(text)}\n", _markdown(tabled), ""]
    for name in LONG_MEASURES:
        if name not in tables and (section := _section(SECTIONS[name][0], before)):
            parts += [section if EARLIER in section else f"{section}\n{EARLIER}\n"]
    return "\n".join([*parts, AGAIN])


def _section(title: str, page: str) -> str:
    """A section of a page, with its heading; empty if there is none."""
    _, found, rest = page.partition(f"## {title}\n")
    text, _, _ = rest.partition("\n## ")
    return f"{found}{text.rstrip()}\n" if found else ""


def _machine(machine: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    pinned = (
        "The server under test has one core for itself; load generator and engines share the rest."
        if machine["pinned"]
        else "There is one core for everything, so that load generator and engines slow the server down."
    )
    text = (
        f"{machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']},"
        f" Python {machine['python']}, PostgreSQL {machine['postgresql']}, {machine['redis']}; {packages}."
        f" Load by {machine['generator']}. {pinned}"
    )
    return f"{_wrapped(text)}\n"


def _markdown(tabled: Tabled) -> str:
    lines = ["| " + " | ".join(tabled.columns) + " |", "|---" + "|---:" * (len(tabled.columns) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in tabled.rows]
    return "\n".join(lines)


def _wrapped(text: str, width: int = 120) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
