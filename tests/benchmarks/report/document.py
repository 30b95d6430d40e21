"""`docs/benchmarks.md` and its chart, made from the figures of one run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.report.chart import draw_throughput
from tests.benchmarks.report.tables import Tabled, all_tables

CHART = "images/benchmarks.svg"

INTRODUCTION = """# Benchmarks

Written by `make bench`; change `tests/benchmarks/` instead of this page. Figures are worth little on another machine:
what counts is the ratio of two of them from one run, so both sides of each are measured within the same few seconds,
in turns whose order is shuffled, and the median of the rounds is shown with the slowest and the fastest.
"""

METHOD = """## How it is measured

Every contender answers `GET /api/v1/entity/type/{code}` for a bearer token, from the same rows of one PostgreSQL and
in a database of its own in one Valkey, under Granian with exactly the options of `make run` and one worker. Before
anything is timed, all of them must give the same document for each of 25 entity types and refuse a broken token. The
contenders are in `tests/benchmarks/contenders/`: Django's default middleware, DRF with SimpleJWT, connections kept
open in the same pool as ours; each cache is configured as its documentation proposes. No trigger of ours runs when
they write. The constant answer is what Granian and WSGI allow at all: a function that returns the same bytes.
"""

SECTIONS = {
    "throughput": (
        "Hits over HTTP",
        "25 entity types are read one after the other over 16 connections that are never idle. `the same, with our"
        " token authentication` shows what part of the difference is the query for the user. `processor` is"
        " the server's time on its core for each answer. Where less than the whole core is in use, the load generator"
        " or an engine was the limit.",
    ),
    "costs": (
        "What a request asks of the engines",
        "Counted from PostgreSQL's log and Redis' MONITOR, on a server that does nothing else; without BEGIN and"
        " COMMIT. The express lane's MGET is the renewal of all copies in use: twice a lease at most, however many"
        " requests there are.",
    ),
    "process": (
        "In process",
        "The same loop around each. The bare `GET` uses the same class of connection (hiredis) and does nothing with"
        " what it gets.",
    ),
    "changes": (
        "Changes",
        "A change waits until no process can still use a copy in its memory: the drain, `CACHE_LOCAL_LEASE_MS`.",
    ),
    "tail": (
        "The slowest hits",
        "Requests come at a fixed rate whether or not earlier ones were answered, and latency counts from when they"
        " were due. Only answers from memory or Redis are looked at: while a key is being changed it is read from the"
        " database.",
    ),
    "many": (
        "Few and many entity types",
        "The same 25 are read, among so many. The raw pipelines write and drop the same keys and values, 500 at a time,"
        " and read no database. Warming does: two fifths of its time the rows are read and made into documents, and as"
        " much goes into the two scripts, which look for a writer, a marker and another's lease before anything is"
        " stored. To come near a raw SET it would take documents made by PostgreSQL itself, and several processes."
        " Clearing names ten keys where the raw pipeline names one: value, lease, holds, last holder, absence and last"
        " known value, and the four that readers of the next schema version may serve or fill.",
    ),
    "startup": ("Start", "From starting Granian to the first 200 on `/healthz`."),
    "scaling": (
        "One and two workers",
        "Server, load generator and engines share all cores here: what the load generator takes, a second worker"
        " cannot have. Workers share nothing but Redis and the database, so on a machine with a core for each they add"
        " up until the load generator, or for misses the database, is the limit.",
    ),
}

AGAIN = """## Again

```bash
make bench                                            # everything, this page and its chart; a few minutes
make bench ARGS="--only throughput --rounds 3"        # a part of it, printed only
make bench ARGS="--json figures.json --no-docs"       # every single figure
make bench ARGS=--help
```
"""


def write_documents(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the page and its chart; returns the two files."""
    chart, page = folder / CHART, folder / "benchmarks.md"
    chart.write_text(draw_throughput(results["throughput"]))
    page.write_text(compose_page(results))
    return [page, chart]


def compose_page(results: Mapping[str, Any]) -> str:
    """The Markdown of a whole run."""
    tables = all_tables(results)
    parts = [
        INTRODUCTION,
        _machine(results["machine"]),
        f"## {tables['required'].title}\n",
        _markdown(tables["required"]),
    ]
    parts += [f"\n![Answers a second of every contender]({CHART})\n", METHOD]
    for name, (title, text) in SECTIONS.items():
        if name in tables:
            parts += [f"## {title}\n", f"{_wrapped(text)}\n", _markdown(tables[name]), ""]
    return "\n".join([*parts, AGAIN])


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
