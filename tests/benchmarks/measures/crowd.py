"""
Each request draws a token and an entity type at random, over 16 connections that are never idle; each token belongs to
a different user who has signed in. Before each turn every token and every entity type is read once, as they would be
after people have worked for some minutes: only hits are measured, no first visits.
"""

from tests.benchmarks.measures.throughput import Columns, check_servers, take_turns
from tests.benchmarks.rows import ALL, HOT
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, from_to, median, ratio, ratios

SUMMARY = "hits over HTTP of 1 to 2,000 people who read 25 or 2,000 entity types"
HEADING = "Hits over HTTP of a crowd"

CROWD = {"lane": "ours", "classic": "classic", "node": "Node", "constant": "constant"}
"""Who is compared, and what the table calls them."""
TOKENS = (1, 40, 200, 2_000)
TYPES = (HOT, ALL)
ROUNDS = 6
"""At most, each of half a turn: what else runs on a shared machine comes and goes within seconds."""


def cell(tokens: int, types: int) -> str:
    """How figures name so many tokens and entity types."""
    return f"{tokens}x{types}"


def measure(session: Session) -> dict[str, Columns]:
    """For each number of tokens and of entity types what `take_turns` returns."""
    plan = session.plan
    servers = session.servers(*CROWD)
    check_servers(session, servers, session.crowd(max(TOKENS), max(TYPES)))
    rounds = min(2 * plan.rounds, ROUNDS)
    found = {}
    for types in TYPES:
        for tokens in TOKENS:
            what = f"{tokens:,} x {types:,} (tokens x entity types)"
            found[cell(tokens, types)] = take_turns(
                session, servers, session.crowd(tokens, types, plan.seed), rounds, what, seconds=plan.seconds / 2
            )
    return found


def table(found: Results, results: Results) -> Tabled:
    names = [name for name in CROWD if name in found[cell(TOKENS[0], TYPES[0])] or name in results["missing"]]
    rows = []
    for types in TYPES:
        for tokens in TOKENS:
            here = found[cell(tokens, types)]
            speeds = {name: median(here[name]["per_second"]) for name in names if name in here}
            rows.append(
                (
                    f"{tokens:,} x {types:,}",
                    *(f"{speeds[name]:,.0f}" if name in speeds else "-" for name in names),
                    *(f"{ratio(speeds['lane'] / speeds[name])}x" if name in speeds else "" for name in names[1:]),
                    from_to(here["lane"]["per_second"]),
                    f"{median(here['lane']['p99_ms']):.2f}",
                )
            )
    columns = (
        "people x entity types",
        *(CROWD[name] for name in names),
        *(f"ours / {CROWD[name]}" for name in names[1:]),
        "ours, range over rounds",
        "ours, p99, ms",
    )
    return Tabled("Hits over HTTP of a crowd: responses per second, one worker on one core", columns, rows)


def requirements(found: Results) -> list[Requirement]:
    evenly = f"200 tokens x {ALL:,} types, read evenly"
    rows = (
        ("one token x 25 types / constant WSGI answer", 0.8, (1, HOT), "constant"),
        ("200 tokens x 25 types / constant", 0.75, (200, HOT), "constant"),
        ("2,000 tokens x 25 types / constant", 0.6, (2_000, HOT), "constant"),
        (f"{evenly} / the same in Node", 0.4, (200, ALL), "node"),
        (f"{evenly} / classic", 4, (200, ALL), "classic"),
    )
    return [
        Requirement(text, "at least", limit, ratios(here["lane"]["per_second"], here[under]["per_second"]))
        for text, limit, where, under in rows
        if {"lane", under} <= (here := found[cell(*where)]).keys()
    ]
