"""The tables of a run, and `docs/benchmarks.md` with its chart, made of them."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.report.chart import draw_hits
from tests.benchmarks.run import LONG, MEASURES
from tests.benchmarks.tables import Requirement, Tabled, ratio

CHART = "images/benchmarks.svg"
PAGE = (Path(__file__).parent / "page.md").read_text()
EARLIER = "From an earlier run: this measure is slow, and runs only on request (`--also`)."


def requirements(results: Mapping[str, Any]) -> list[Requirement]:
    """The promises of which a run has figures."""
    promising = {name: each for name, each in MEASURES.items() if name in results and hasattr(each, "requirements")}
    return [row for name, measure in promising.items() for row in measure.requirements(results[name])]


def all_tables(results: Mapping[str, Any]) -> dict[str, Tabled]:
    """The tables that a run has figures for, by the names of measures; and the one of what is required."""
    required = {"required": _required(rows)} if (rows := requirements(results)) else {}
    return required | {
        name: measure.table(results[name], results) for name, measure in MEASURES.items() if name in results
    }


def _required(rows: list[Requirement]) -> Tabled:
    shown = [
        (
            row.text,
            f"{row.sense} {row.limit:g}{row.unit and f' {row.unit}'}",
            _figure(row.measured),
            f"{_figure(min(row.figures))} to {_figure(max(row.figures))}",
            "yes" if row.is_met else "NO",
        )
        for row in rows
    ]
    return Tabled("The required figures", ("measure", "required", "measured", "range over rounds", "met"), shown)


def _figure(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 100 else ratio(value)


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
    tables, sections = all_tables(results), []
    for name, measure in MEASURES.items():
        if name in tables:
            sections.append(f"## {measure.HEADING}\n\n{wrapped(measure.__doc__)}\n\n{_markdown(tables[name])}\n")
        elif name in LONG and (earlier := _section(measure.HEADING, before)):
            sections.append(earlier if EARLIER in earlier else f"{earlier}\n{EARLIER}\n")
    return PAGE.format(
        machine=_machine(results["machine"]),
        required=_markdown(tables["required"]),
        chart=CHART,
        sections="\n".join(sections),
    )


def _section(heading: str, page: str) -> str:
    """A section of a page, with its heading; empty if there is none."""
    _, found, rest = page.partition(f"## {heading}\n")
    text, _, _ = rest.partition("\n## ")
    return f"{found}{text.rstrip()}\n" if found else ""


def _machine(machine: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    pinned = (
        "The server under test has one core to itself; the load generator and the engines share the rest."
        if machine["pinned"]
        else "There is one core for everything, so the load generator and the engines slow the server down."
    )
    return wrapped(
        f"{machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']},"
        f" Python {machine['python']}, PostgreSQL {machine['postgresql']}, {machine['redis']}; {packages}."
        f" Load by {machine['generator']}. {pinned}"
    )


def _markdown(tabled: Tabled) -> str:
    lines = ["| " + " | ".join(tabled.columns) + " |", "|---" + "|---:" * (len(tabled.columns) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in tabled.rows]
    return "\n".join(lines)


def wrapped(text: str, width: int = 120) -> str:
    return textwrap.fill(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)
