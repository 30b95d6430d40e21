"""The tables of what happens inside: in process, in the engines, over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.saves import count_waits
from tests.benchmarks.report.tabled import Tabled, counts, from_to, median
from tests.torture.run import quantile

Results = Mapping[str, Any]
WAYS = {"logout": "logout", "deactivation": "deactivation", "password": "a new password"}


def process(results: Results) -> Tabled:
    found = results["process"]
    rows = [
        (
            title,
            f"{median(found[name]) / 1000:,.2f}",
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


def many(results: Results) -> Tabled:
    found = results["many"]
    bulk = found["bulk"]
    rows = [
        *(
            (
                f"{title}, microseconds",
                f"{median(found['few'][name]) / 1000:.2f}",
                f"{median(found['many'][name]) / 1000:.2f}",
            )
            for name, title in (("l1", "hit in memory (L1)"), ("l2", "hit in Redis (L2)"))
        ),
        ("warm all, seconds (raw pipelined SET)", "", f"{median(bulk['warm']):.2f} ({median(bulk['raw_warm']):.2f})"),
        (
            "clear all, seconds (raw pipelined UNLINK)",
            "",
            f"{median(bulk['clear']):.2f} ({median(bulk['raw_clear']):.2f})",
        ),
        ("warm the list of all, seconds", "", f"{median(bulk['list']):.2f}"),
        ("memory of one copy (L1), bytes", "", f"{found['bytes_per_copy']:,.0f}"),
    ]
    return Tabled("Few and many entity types", ("figure", "among 25", f"among {found['count']:,}"), rows)


def costs(results: Results) -> Tabled:
    rows = [
        (
            f"{CONTENDERS[each['contender']].title}: {each['kind']}",
            str(each["queries"]),
            str(len(each["commands"])),
            counts(Counter(each["commands"])),
        )
        for each in results["costs"]
    ]
    columns = ("request", "database queries", "Redis commands", "which")
    return Tabled("What one request asks of the engines", columns, rows)


def startup(results: Results) -> Tabled:
    rows = [
        (CONTENDERS[name].title, f"{median(taken):.2f}", from_to(taken, 2))
        for name, taken in results["startup"].items()
    ]
    return Tabled("From start to the first answer, one worker", ("server", "seconds", "from to"), rows)


def hits(results: Results) -> Tabled:
    found = results["hits"]
    rows = [
        (f"{found['hits']:,} hits by {found['tokens']} tokens", f"{found['seconds']:.1f}", f"{found['statements']:,}")
    ]
    return Tabled("What a crowd's hits ask of PostgreSQL", ("read", "seconds", "statements"), rows)


def ended(results: Results) -> Tabled:
    rows = [(WAYS[way], f"{found['reads']:,}", f"{found['accepted']:,}") for way, found in results["ended"].items()]
    return Tabled("Reads by a token that is ended", ("ended by", "reads that began afterwards", "accepted"), rows)


def saves(results: Results) -> Tabled:
    found = results["saves"]
    rows = [
        (
            title,
            f"{median(found['without'][kind]):,.1f}",
            f"{median(found['waiting'][kind]):,.1f}",
            from_to(found["waiting"][kind], 1),
        )
        for kind, title in (("one", "1"), ("all", str(found["saves"])))
    ]
    rows.append(("waits", "", f"{median(count_waits(found)):g}", from_to(count_waits(found))))
    columns = ("saves in one transaction", "no copies, ms", f"copies live {found['lease_ms']} ms, ms", "from to")
    return Tabled("Saves one by one in one transaction", columns, rows)


def behind(results: Results) -> Tabled:
    lags = results["behind"]["lag_ms"]
    quantiles = (f"{quantile(lags, share):.0f}" for share in (0.5, 0.9, 0.99, 1))
    rows = [(f"{results['behind']['servers']} servers, {len(lags):,} changes", *quantiles)]
    return Tabled("SQL behind Django's back, seen by every server", ("seen by", "p50, ms", "p90", "p99", "max"), rows)


def memory(results: Results) -> Tabled:
    rows = [(f"{found['tokens']:,}", f"{found['bytes'] / 2**20:,.0f}") for found in results["memory"]]
    return Tabled("Memory of a server and its worker", ("people seen", "MiB"), rows)
