"""Every table of the report, as rows of text: the console and the document show the same."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.report.ratios import requirements


class Tabled(NamedTuple):
    """A table; the first column is text, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def all_tables(results: Mapping[str, Any]) -> dict[str, Tabled]:
    """The tables that a run has figures for, by name."""
    made = {"required": required(results)} if requirements(results) else {}
    for name, make in _TABLES.items():
        if name in results:
            made[name] = make(results)
    return made


def required(results: Mapping[str, Any]) -> Tabled:
    rows = [
        (
            row.text,
            f"{row.sense} {row.limit:g}",
            _ratio(row.measured),
            f"{_ratio(min(row.ratios))} to {_ratio(max(row.ratios))}",
            "yes" if row.is_met else "NO",
        )
        for row in requirements(results)
    ]
    return Tabled("The required ratios", ("ratio", "required", "measured", "rounds from to", "met"), rows)


def throughput(results: Mapping[str, Any]) -> Tabled:
    found: Mapping[str, Mapping[str, list[float]]] = results["throughput"]
    classic = found.get("classic")
    rows = []
    for name, contender in CONTENDERS.items():
        if name in results["missing"]:
            rows.append((contender.title, f"not measured: {results['missing'][name]}", *[""] * 6))
        if name not in found:
            continue
        columns = found[name]
        compared = _median(columns["per_second"]) / _median(classic["per_second"]) if classic else 0
        rows.append(
            (
                contender.title,
                f"{_median(columns['per_second']):,.0f}",
                f"{min(columns['per_second']):,.0f} to {max(columns['per_second']):,.0f}",
                f"{_ratio(compared)}x" if classic else "",
                f"{_median(columns['p50_ms']):.2f}",
                f"{_median(columns['p99_ms']):.2f}",
                f"{_median(columns['processor_us']):,.0f}",
                f"{_median(columns['busy']):.0%}",
            )
        )
    columns_shown = (
        "contender",
        "answers a second",
        "rounds from to",
        "classic = 1",
        "p50, ms",
        "p99, ms",
        "processor, us each",
        "core in use",
    )
    return Tabled("Hits over HTTP, one worker on one core", columns_shown, rows)


def process(results: Mapping[str, Any]) -> Tabled:
    found = results["process"]
    rows = [
        (
            title,
            f"{_median(found[name]) / 1000:,.2f}",
            f"{min(found[name]) / 1000:,.2f} to {max(found[name]) / 1000:,.2f}",
        )
        for name, title in (
            ("dict", "dict lookup with a clock check"),
            ("l1", "`get_entity`, from memory (L1)"),
            ("get", "bare redis-py `GET`"),
            ("l2", "`get_entity`, from Redis (L2)"),
        )
    ]
    return Tabled("In process", ("read", "microseconds", "rounds from to"), rows)


def changes(results: Mapping[str, Any]) -> Tabled:
    found, lease = results["changes"], results["lease_ms"]
    rows = [
        ("classic", f"{_median(found['classic']):.1f}", _from_to(found["classic"], 1)),
        ("ours", f"{_median(found['lane']):.1f}", _from_to(found["lane"], 1)),
        (f"ours, less the {lease} ms of the drain", f"{_median(found['lane']) - lease:.1f}", ""),
    ]
    return Tabled("PATCH, one after the other", ("server", "ms", "from to"), rows)


def tail(results: Mapping[str, Any]) -> Tabled:
    found = results["tail"]
    rows = [
        (
            title,
            f"{_median(found['p50_ms'][kind]):.2f}",
            f"{_median(found['p99_ms'][kind]):.2f}",
            _from_to(found["p99_ms"][kind], 2),
            _counts(found["sources"][kind]),
        )
        for kind, title in (
            ("quiet", "nobody writes"),
            ("written", f"one key written {found['writes_per_second']} times a second"),
        )
    ]
    title = f"Hits at {found['reads_per_second']:,} requests a second over 25 keys, through the express lane"
    return Tabled(title, ("meanwhile", "p50, ms", "p99, ms", "p99 from to", "answers by X-Cache"), rows)


def many(results: Mapping[str, Any]) -> Tabled:
    found = results["many"]
    bulk = found["bulk"]
    rows = [
        *(
            (
                f"{title}, microseconds",
                f"{_median(found['few'][name]) / 1000:.2f}",
                f"{_median(found['many'][name]) / 1000:.2f}",
            )
            for name, title in (("l1", "hit in memory (L1)"), ("l2", "hit in Redis (L2)"))
        ),
        ("warm all, seconds (raw pipelined SET)", "", f"{_median(bulk['warm']):.2f} ({_median(bulk['raw_warm']):.2f})"),
        (
            "clear all, seconds (raw pipelined UNLINK)",
            "",
            f"{_median(bulk['clear']):.2f} ({_median(bulk['raw_clear']):.2f})",
        ),
        ("warm the list of all, seconds", "", f"{_median(bulk['list']):.2f}"),
        ("memory of one copy (L1), bytes", "", f"{found['bytes_per_copy']:,.0f}"),
    ]
    return Tabled("Few and many entity types", ("figure", "among 25", f"among {found['count']:,}"), rows)


def costs(results: Mapping[str, Any]) -> Tabled:
    rows = [
        (
            f"{CONTENDERS[each['contender']].title}: {each['kind']}",
            str(each["queries"]),
            str(len(each["commands"])),
            _counts(Counter(each["commands"])),
        )
        for each in results["costs"]
    ]
    columns = ("request", "database queries", "Redis commands", "which")
    return Tabled("What one request asks of the engines", columns, rows)


def startup(results: Mapping[str, Any]) -> Tabled:
    rows = [
        (CONTENDERS[name].title, f"{_median(taken):.2f}", _from_to(taken, 2))
        for name, taken in results["startup"].items()
    ]
    return Tabled("From start to the first answer, one worker", ("server", "seconds", "from to"), rows)


def scaling(results: Mapping[str, Any]) -> Tabled:
    rows = [
        (
            CONTENDERS[name].title,
            f"{_median(found['1']):,.0f}",
            f"{_median(found['2']):,.0f}",
            f"{_ratio(_median(found['2']) / _median(found['1']))}x",
        )
        for name, found in results["scaling"].items()
    ]
    columns = ("server", "1 worker, answers a second", "2 workers", "gain")
    return Tabled("One and two workers, every core shared with load and engines", columns, rows)


_TABLES = {
    "throughput": throughput,
    "costs": costs,
    "process": process,
    "changes": changes,
    "tail": tail,
    "many": many,
    "startup": startup,
    "scaling": scaling,
}


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _from_to(values: Sequence[float], digits: int) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'none'} {count:,}" for name, count in sorted(counted.items())) or "-"
