"""What one run measures, how often and how long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.contenders import CONTENDERS

MEASURES = {
    "crowd": "hits over HTTP of 1 to 2,000 people who read 25 or 2,000 entity types",
    "throughput": "hits over HTTP of one reader, every contender in turn",
    "changes": "PATCH, one after the other, on a quiet server and while its entity type is read",
    "writers": "six writers beside twelve readers",
    "tail": "hits at a fixed rate, with and without writes",
    "process": "get_entity in process, against a dict and redis-py; memory of a copy",
    "many": "25 against 100,000 entity types; warming and clearing all of them",
    "costs": "statements and Redis commands of a request",
    "hits": "what 10,000 hits of a crowd ask of PostgreSQL",
    "ended": "reads accepted after a logout, a deactivation or a new password",
    "saves": "fifty entity types saved in one transaction",
    "startup": "until a new server answers",
    "scaling": "one and two workers",
    "behind": "how late SQL behind Django's back is seen, by a short torture",
}
LONG_MEASURES = {
    "lease": "what copies that live 5, 7 or 10 ms cost, with Redis 0, 1 and 5 ms away",
    "memory": "of a server that has seen up to 100,000 people",
}
"""Part of a run only where they are asked for."""
ALL_MEASURES = MEASURES | LONG_MEASURES


class UnknownName(ValueError):
    """Something is asked for that there is not; the message says what there is."""


@dataclass(frozen=True)
class Plan:
    """
    One run.

    Attributes:
        rounds: how often each contender has its turn, in an order shuffled anew each time.
        seconds: of load, for each turn.
        many: how many entity types "many" are.
        measures: of `ALL_MEASURES`.
        contenders: names of those that take part in `throughput` and `crowd`.
        bundled: use the bundled load generator even if wrk is there.
    """

    rounds: int = 5
    seconds: float = 3
    many: int = 100_000
    seed: int = 1
    bundled: bool = False
    measures: Collection[str] = field(default_factory=lambda: tuple(MEASURES))
    contenders: Collection[str] = field(default_factory=lambda: tuple(CONTENDERS))

    @property
    def is_whole(self) -> bool:
        """Whether the report has every row."""
        return MEASURES.keys() <= set(self.measures) and set(self.contenders) == CONTENDERS.keys()


def parse_names(text: str, known: Collection[str]) -> Sequence[str]:
    """
    The names in a comma-separated list.

    Raises:
        UnknownName: one is not in `known`.
    """
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in known]:
        raise UnknownName(f"no {', '.join(unknown)}; there are: {', '.join(known)}")
    return chosen
