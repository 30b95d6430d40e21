"""The tables of what is served over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.changes import CHANGERS
from tests.benchmarks.measures.crowd import CROWD, TOKENS, TYPES, cell
from tests.benchmarks.report.tabled import Tabled, counts, from_to, median, ratio

Results = Mapping[str, Any]
SHORT = {"lane": "ours", "classic": "classic", "node": "Node", "constant": "constant"}


def crowd(results: Results) -> Tabled:
    found = results["crowd"]
    names = [name for name in CROWD if name in found[cell(TOKENS[0], TYPES[0])] or name in results["missing"]]
    rows = []
    for types in TYPES:
        for tokens in TOKENS:
            here = found[cell(tokens, types)]
            speeds = {name: median(here[name]["per_second"]) for name in names if name in here}
            compared = (f"{ratio(speeds['lane'] / speeds[name])}x" if name in speeds else "" for name in names[1:])
            ours = here["lane"]
            rows.append(
                (
                    f"{tokens:,} x {types:,}",
                    *(f"{speeds[name]:,.0f}" if name in speeds else "-" for name in names),
                    *compared,
                    from_to(ours["per_second"]),
                    f"{median(ours['p99_ms']):.2f}",
                )
            )
    columns = (
        "people x entity types",
        *(SHORT[name] for name in names),
        *(f"ours / {SHORT[name]}" for name in names[1:]),
        "ours, rounds from to",
        "ours, p99, ms",
    )
    return Tabled("Hits over HTTP of a crowd: answers a second, one worker on one core", columns, rows)


def throughput(results: Results) -> Tabled:
    found: Mapping[str, Mapping[str, list[float]]] = results["throughput"]
    classic = found.get("classic")
    rows = []
    for name, contender in CONTENDERS.items():
        if name in results["missing"]:
            rows.append((contender.title, f"not measured: {results['missing'][name]}", *[""] * 6))
        if name not in found:
            continue
        columns = found[name]
        compared = median(columns["per_second"]) / median(classic["per_second"]) if classic else 0
        rows.append(
            (
                contender.title,
                f"{median(columns['per_second']):,.0f}",
                from_to(columns["per_second"]),
                f"{ratio(compared)}x" if classic else "",
                f"{median(columns['p50_ms']):.2f}",
                f"{median(columns['p99_ms']):.2f}",
                f"{median(columns['processor_us']):,.0f}",
                f"{median(columns['busy']):.0%}",
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


def changes(results: Results) -> Tabled:
    quiet, read = results["changes"]["quiet"], results["changes"]["read"]
    rows = []
    for name in CHANGERS:
        if name in results["missing"]:
            rows.append((CONTENDERS[name].title, f"not measured: {results['missing'][name]}", "", "", ""))
        if name not in quiet:
            continue
        beside = [median(taken) for taken in read[name]]
        rows.append(
            (
                CONTENDERS[name].title,
                f"{median(quiet[name]):.1f}",
                from_to(quiet[name], 1),
                f"{median(beside):.1f}",
                from_to(beside, 1),
            )
        )
    columns = ("server", "nobody reading, p50, ms", "from to", "16 readers of the same, p50, ms", "rounds from to")
    return Tabled(f"PATCH, one after the other; copies of ours live {results['lease_ms']} ms", columns, rows)


def writers(results: Results) -> Tabled:
    rows = [
        (
            CONTENDERS[name].title,
            f"{median(found['writes']):,.0f}",
            from_to(found["writes"]),
            f"{median(found['reads']):,.0f}",
        )
        for name, found in results["writers"].items()
    ]
    columns = ("server", "changes a second", "rounds from to", "reads a second meanwhile")
    return Tabled("Six writers on six keys beside twelve readers", columns, rows)


def tail(results: Results) -> Tabled:
    found = results["tail"]
    rows = [
        (
            title,
            f"{median(found['p50_ms'][kind]):.2f}",
            f"{median(found['p99_ms'][kind]):.2f}",
            from_to(found["p99_ms"][kind], 2),
            counts(found["sources"][kind]),
        )
        for kind, title in (
            ("quiet", "nobody writes"),
            ("written", f"one key written {found['writes_per_second']} times a second"),
        )
    ]
    title = f"Hits at {found['reads_per_second']:,} requests a second over 25 keys, through the express lane"
    return Tabled(title, ("meanwhile", "p50, ms", "p99, ms", "p99 from to", "answers by X-Cache"), rows)


def scaling(results: Results) -> Tabled:
    rows = [
        (
            CONTENDERS[name].title,
            f"{median(found['1']):,.0f}",
            f"{median(found['2']):,.0f}",
            f"{ratio(median(found['2']) / median(found['1']))}x",
        )
        for name, found in results["scaling"].items()
    ]
    columns = ("server", "1 worker, answers a second", "2 workers", "gain")
    return Tabled("One and two workers, every core shared with load and engines", columns, rows)


def lease(results: Results) -> Tabled:
    *shorter, longest = results["lease"][0]["per_second"]
    rows = [
        (
            f"{found['distance_ms']} ms",
            f"{found['round_trip_ms']:.2f}",
            *(_lost(found["per_second"][lease], found["per_second"][longest]) for lease in shorter),
            f"{median(found['per_second'][longest]):,.0f}",
        )
        for found in results["lease"]
    ]
    lost_by = (f"lost by {lease} ms, rounds from to" for lease in shorter)
    columns = ("Redis is away", "round trip, ms", *lost_by, f"hits a second by {longest} ms")
    return Tabled("Hits of 200 people x 25 entity types that a shorter lease costs", columns, rows)


def _lost(per_second: Sequence[float], of: Sequence[float]) -> str:
    """The share of hits that is lost, round by round: the median, and the least and the most."""
    lost = [100 * (1 - less / more) for less, more in zip(per_second, of, strict=True)]
    return f"{median(lost):.1f}% ({from_to(lost, 1)})"
