"""The report: it computes what it says, from the figures of a run that never was."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.behind import LOADS
from tests.benchmarks.measures.crowd import TOKENS, TYPES, cell
from tests.benchmarks.measures.saves import count_waits
from tests.benchmarks.report.chart import draw_hits
from tests.benchmarks.report.document import compose_page, requirements
from tests.benchmarks.run import ALWAYS, MEASURES, is_whole
from tests.benchmarks.session import Plan
from tests.benchmarks.tables import Requirement, ratios


def test_a_requirement_is_judged_by_the_median_of_its_rounds() -> None:
    assert ratios([4, 9], [2, 3]) == (2.0, 3.0)
    assert Requirement("", "at least", 2, (1.0, 2.0, 9.0)).is_met
    assert not Requirement("", "at least", 2, (1.0, 1.9, 9.0)).is_met
    assert Requirement("", "at most", 2, (1.0, 2.0, 9.0)).is_met
    assert not Requirement("", "at most", 2, (1.0, 2.1, 9.0)).is_met


def test_waits_are_what_a_transaction_takes_longer() -> None:
    taken = {"lease_ms": 250, "waiting": {"all": [310.0, 12_800.0]}, "without": {"all": [60.0, 50.0]}}
    assert count_waits(taken) == [1, 51]


def test_every_promised_figure_is_in_the_report() -> None:
    rows = requirements(FIGURES)
    assert [(row.sense, row.limit, row.measured, row.is_met) for row in rows] == [
        ("at least", 0.8, 0.9, True),
        ("at least", 0.75, 0.9, True),
        ("at least", 0.6, 0.9, True),
        ("at least", 0.4, 3.6, True),
        ("at least", 4, 18, True),
        ("at least", 12, 18, True),
        ("at least", 2, 4, True),
        ("at most", 2, 2.5, False),
        ("at most", 2.5, 2, True),
        ("at least", 0.6, 0.5, False),
        ("at most", 2, 1.5, True),
        ("at most", 5, 9, False),
        ("at most", 0, 3, False),
        ("at most", 1, 1, True),
        ("at most", 5, 3, True),
        ("at most", 1.25, 1.1, True),
        ("at most", 1.2, 1, True),
        ("at most", 1.2, 1.1, True),
        ("at most", 3, 2, True),
        ("at most", 3, 4, False),
        ("at most", 60, 95, False),
        ("at most", 0, 20_000, False),
    ]


def test_the_page_has_every_section_and_says_what_is_missed() -> None:
    page = compose_page(FIGURES)
    assert page.count("\n## ") == 2 + len(MEASURES) + 1
    assert "| clearing 1,000 / raw pipelined UNLINK | at most 3 | 4.00 | 4.00 to 4.00 | NO |" in page
    assert "| SQL behind Django's back seen by all, p99 | at most 60 ms | 95.0 |" in page
    assert "| PostgreSQL queries for 10,000 hits by 200 tokens within 10 s | at most 0 | 3 | 3 to 3 | NO |" in page
    assert "| django-cacheops | not measured: no reason |" in page
    assert "| ours through the express lane | 1,800 | 1,800 to 1,800 | 18.0x |" in page
    assert "| 200 x 25 | 1,800 | 100 | 500 | 2,000 | 18.0x | 3.60x | 0.90x |" in page
    assert "| 1 ms | 1.20 | 20.0% (20.0 to 20.0) | 10.0% (10.0 to 10.0) | 1,000 |" in page
    assert page.index("of a crowd") < page.index("of one reader")


def test_the_chart_is_well_formed_and_names_every_contender() -> None:
    drawing = draw_hits(FIGURES["crowd"], FIGURES["throughput"])
    drawn = "".join(ElementTree.fromstring(drawing).itertext())
    assert all(CONTENDERS[name].title in drawn for name in FIGURES["throughput"])
    assert drawn.index("200 people") < drawn.index("one reader")


def test_only_a_whole_run_writes_the_page() -> None:
    assert not is_whole(Plan(["tail", "lease"]))
    assert not is_whole(Plan(ALWAYS, contenders=["lane"]))
    assert is_whole(Plan([*ALWAYS, "lease"]))


def _served(**per_second: float) -> dict[str, dict[str, list[float]]]:
    """Figures of three equal rounds."""
    return {
        name: {
            measured: [value] * 3
            for measured, value in {
                "per_second": speed,
                "p50_ms": 1.0,
                "p99_ms": 2.0,
                "busy": 1.0,
                "processor_us": 1e6 / speed,
            }.items()
        }
        for name, speed in per_second.items()
    }


FIGURES: dict[str, Any] = {
    "lease_ms": 50,
    "missing": {"cacheops": "no reason"},
    "machine": {
        "processor": "a processor",
        "cores": 2,
        "pinned": True,
        "system": "Linux",
        "python": "3.11",
        "packages": {"django": "5.2"},
        "postgresql": "18",
        "redis": "valkey 9",
        "generator": "wrk",
        "date": "2026-01-01",
    },
    "crowd": {
        cell(tokens, types): _served(lane=1800, classic=100, node=500, constant=2000)
        for tokens in TOKENS
        for types in TYPES
    },
    "throughput": _served(database=60, classic=100, django=400, lane=1800, constant=2000),
    "costs": [{"contender": "django", "kind": "PATCH", "queries": 9, "commands": ["EVALSHA"]}],
    "hits": {"tokens": 200, "hits": 10_000, "seconds": 10.02, "statements": 3},
    "ended": {"logout": {"reads": 60, "accepted": 2}, "password": {"reads": 40, "accepted": 0}},
    "process": {"dict": [100.0], "l1": [300.0], "get": [100_000.0], "l2": [110_000.0]},
    "changes": {
        "quiet": {"lane": [15.0] * 20, "classic": [6.0] * 20},
        "read": {"lane": [[18.0, 20.0, 90.0]], "classic": [[10.0]]},
    },
    "writers": {"lane": {"writes": [50.0], "reads": [900.0]}, "classic": {"writes": [100.0], "reads": [90.0]}},
    "saves": {
        "lease_ms": 250,
        "saves": 50,
        "waiting": {"one": [255.0], "all": [310.0]},
        "without": {"one": [5.0], "all": [60.0]},
    },
    "behind": {load: {"servers": 3, "lag_ms": [20.0, 95.0]} for load in LOADS},
    "lease": [{"distance_ms": 1, "round_trip_ms": 1.2, "per_second": {"5": [800.0], "10": [900.0], "50": [1000.0]}}],
    "memory": [{"tokens": 1000, "bytes": 2**28}],
    "tail": {
        "reads_per_second": 1000,
        "writes_per_second": 5,
        "p50_ms": {"quiet": [1.0], "written": [1.0]},
        "p99_ms": {"quiet": [2.0], "written": [3.0]},
        "sources": {"quiet": {"L1": 1}, "written": {"L1": 1, "BYPASS": 1}},
    },
    "many": {
        "count": 1000,
        "bulk": {"warm": [2.0], "raw_warm": [1.0], "clear": [4.0], "raw_clear": [1.0], "list": [1.0]},
        "few": {"l1": [300.0], "l2": [100_000.0]},
        "many": {"l1": [300.0], "l2": [110_000.0]},
        "bytes_per_copy": 1500,
    },
    "startup": {"lane": [1.5]},
    "scaling": {"lane": {"1": [100.0], "2": [190.0]}},
}


def test_what_takes_long_stays_from_an_earlier_run() -> None:
    before = "## Memory\n\nResident.\n\n| people seen | MiB |\n|---|---:|\n| 0 | 144 |\n\n## Again\n"
    short = {name: figures for name, figures in FIGURES.items() if name in ALWAYS or name not in MEASURES}
    page = compose_page(short, before)
    assert "| 0 | 144 |\n\nFrom an earlier run" in page
    assert compose_page(short, page) == page
