"""What all measures of a run share."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.generators import Generator
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.server import Server
from tests.benchmarks.stage import Stage
from tests.torture import plan as torture
from tests.torture.run import Outcome, run_torture

SETTLE_SECONDS = 3
TORTURE_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """
    One run.

    Attributes:
        rounds: how often each contender has its turn, in an order shuffled anew each time.
        seconds: of load, for each turn.
        many: how many entity types "many" are.
        measures: names of those that are asked for.
    """

    measures: Collection[str]
    rounds: int = 5
    seconds: float = 3
    many: int = 100_000
    seed: int = 1


@dataclass(frozen=True)
class Session:
    """
    A run under way.

    Attributes:
        missing: for each contender that cannot take part, why.
        say: tells whoever waits what is being done.
    """

    plan: Plan
    stage: Stage
    generator: Generator
    missing: Mapping[str, str]
    say: Callable[[str], None]

    def servers(self, *names: str) -> dict[str, Server]:
        """Servers of these contenders, without those that are missing; they answer, and have been busy for a while."""
        chosen = [CONTENDERS[name] for name in names if name not in self.missing]
        self.stage.start_servers(chosen)
        servers = {each.name: self.stage.servers[each.name] for each in chosen}
        for server in servers.values():
            self._settle(server, self.stage.one_reader())
        return servers

    def turns(self, names: Collection[str], rounds: int, what: str) -> Iterator[tuple[int, str]]:
        """The number of a round and a name: each name once in each round, in an order shuffled anew."""
        order = list(names)
        shuffled = random.Random(self.plan.seed)
        for number in range(rounds):
            self.say(f"{what}, round {number + 1} of {rounds}")
            shuffled.shuffle(order)
            yield from ((number, name) for name in order)

    def torture(self, **chosen: Any) -> Outcome:
        """What torture found on engines and servers of its own, in half a minute unless `chosen` says otherwise."""
        plan = torture.Plan(**{"seconds": TORTURE_SECONDS, "seed": self.plan.seed, "quiet_writes": 0} | chosen)
        with self.stage.cores.given(self.stage.cores.all):
            return run_torture(plan)

    def _settle(self, server: Server, reads: Reads) -> None:
        """Until what compiles itself while it runs has done so."""
        if not server.has_settled:
            server.load(self.generator, reads, SETTLE_SECONDS)
            server.has_settled = True
