"""What one run measures, how often and how long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.contenders import CONTENDERS, Contender

MEASURES = {
    "throughput": "hits over HTTP, every contender in turn",
    "changes": "PATCH, one after the other on a quiet server",
    "tail": "hits at a fixed rate, with and without writes",
    "process": "get_entity in process, against a dict and redis-py; memory of a copy",
    "many": "25 against 100,000 entity types; warming and clearing all of them",
    "costs": "queries and Redis commands of a request",
    "startup": "until a new server answers",
    "scaling": "one and two workers",
}


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
        measures: of `MEASURES`.
        contenders: names of those that take part in `throughput`.
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
        return set(self.measures) == MEASURES.keys() and set(self.contenders) == CONTENDERS.keys()

    def chosen_contenders(self) -> list[Contender]:
        return [contender for contender in CONTENDERS.values() if contender.name in self.contenders]


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
