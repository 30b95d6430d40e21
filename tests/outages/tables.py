"""The summary in `docs/outages.md`, and every row in `docs/outages.csv`, from what was seen."""

from __future__ import annotations

import csv
import datetime
import textwrap
from collections.abc import Mapping, Sequence

from tests import ROOT
from tests.outages.asking import OPERATIONS
from tests.outages.faults import POSTGRES, REDIS, Fault
from tests.outages.matrix import Row

PAGE = ROOT / "docs" / "outages.md"
BEGIN, END = "<!-- make outages: from here -->", "<!-- make outages: to here -->"


def write_page(rows: Sequence[Row], budget_ms: int) -> None:
    """Put summary and rows in place of the last ones."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{describe(rows, budget_ms)}\n\n{END}{after}")
    with PAGE.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(matrix_of(rows))


def describe(rows: Sequence[Row], budget_ms: int) -> str:
    """Everything between the marks."""
    slowest = {name: max(row.answers[name].seconds for row in rows) for name in OPERATIONS}
    broken = sum(len(row.broken) for row in rows)
    slowest_text = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest.items())
    recovery = max(row.recovery_seconds for row in rows)
    summary = (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, `REQUEST_BUDGET_MS={budget_ms}`: {len(rows)} combinations,"
        f" {len(rows) * len(OPERATIONS)} requests, {broken} promises broken. The slowest answers: {slowest_text}"
        " (hashing the password included, in a login). The longest recovery, until everything is served from the cache"
        f" again: {recovery:.1f} s."
    )
    faults = [_faults("Redis", REDIS), _faults("PostgreSQL", POSTGRES)]
    return "\n\n".join(textwrap.fill(text, 120, break_on_hyphens=False) for text in (summary, *faults))


def _faults(engine: str, faults: Mapping[str, Fault]) -> str:
    return f"**{engine}** is {'; '.join(f'*{name}* ({fault.says})' for name, fault in faults.items())}."


def matrix_of(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each combination, below the names of the columns."""
    lines = [["Redis", "PostgreSQL", *OPERATIONS, "logged"]]
    for row in rows:
        cells = [f"{row.answers[name].text}, {row.answers[name].seconds:.2f} s" for name in OPERATIONS]
        logged = ", ".join(f"{name} {count}" for name, count in row.logged.most_common()) or "-"
        lines.append([row.redis, row.postgres, *cells, logged])
    return lines
