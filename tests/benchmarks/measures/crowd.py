"""Hits over HTTP of many people: a random token and a random entity type for each request."""

from __future__ import annotations

from tests.benchmarks.measures.throughput import Columns, check_answers, check_refusals, take_turns
from tests.benchmarks.rows import ALL, HOT
from tests.benchmarks.session import Session

CROWD = ("lane", "classic", "node", "constant")
"""Who is compared."""
TOKENS = (1, 40, 200, 2_000)
TYPES = (HOT, ALL)
ROUNDS = 3
"""At most."""


def cell(tokens: int, types: int) -> str:
    """How figures name so many tokens and entity types."""
    return f"{tokens}x{types}"


def measure_crowd(session: Session) -> dict[str, Columns]:
    """
    Before each turn every token and every entity type is read once, as they are when people have worked for minutes.

    Returns:
        For each number of tokens and of entity types what `take_turns` returns.
    """
    stage, plan = session.stage, session.plan
    servers = session.servers(*(name for name in CROWD if name in {"lane", *plan.contenders}))
    check_answers(servers, stage.crowd(max(TOKENS), max(TYPES)))
    check_refusals(stage, servers)
    rounds = min(plan.rounds, ROUNDS)
    found = {}
    for types in TYPES:
        for tokens in TOKENS:
            what = f"{tokens:,} x {types:,} (tokens x entity types)"
            found[cell(tokens, types)] = take_turns(
                session, servers, stage.crowd(tokens, types, plan.seed), rounds, what
            )
    return found
