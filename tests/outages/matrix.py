"""Goes through combinations of faults, and judges what was answered, what is left of it, and whether all recovers."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.outages.asking import OPERATIONS, Answer, Client
from tests.outages.faults import POSTGRES, REDIS, Fault
from tests.outages.prepare import CHANGED
from tests.outages.stage import Stage
from tests.waiting import wait_for

RECOVERY_SECONDS = 30
SETTLED_SOURCES = ("L1", "L2")


@dataclass(frozen=True)
class Row:
    """
    One combination of faults.

    Attributes:
        answers: by operation; all are asked at the same time.
        logged: which events the asked server logged, and how often.
        recovery_seconds: from the end of the faults until all is answered, and from the cache.
        broken: what was promised and not kept.
    """

    redis: str
    postgres: str
    answers: dict[str, Answer]
    logged: Counter[str]
    recovery_seconds: float
    broken: list[str]


class Matrix:
    """Tries combinations on one stage, one after the other."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.client = Client(stage.prepared)
        self.asked, self.other = stage.ports
        self._labels = (f"Label {number}" for number in itertools.count(1))
        self._recover()

    def run(self, pairs: Sequence[tuple[str, str]], operations: Sequence[str] = OPERATIONS) -> Iterator[Row]:
        """Try these combinations; with `operations` all at once."""
        for redis, postgres in pairs:
            yield self._try(redis, postgres, operations)

    def _try(self, redis: str, postgres: str, operations: Sequence[str]) -> Row:
        faults = (REDIS[redis], POSTGRES[postgres])
        before, label, seen = self._committed(), next(self._labels), len(self.stage.logged(0))
        try:
            answers, after = self._ask_meanwhile(faults, label, operations)
        finally:
            for fault in faults:
                fault.end(self.stage)
        recovery_seconds = self._recover()
        logged = [line for line in self.stage.logged(0)[seen:] if line["level"] in ("warning", "error", "critical")]
        events = Counter(_name(line) for line in logged)
        written, committed = answers["write"], self._committed()
        own, others = after
        old = [answer for answer in after if answer.is_good and answer.label != label]
        broken = [f"{name}: {answer.text}" for name, answer in answers.items() if not answer.is_explained]
        broken += [f"after: {answer.text}" for answer in after if not answer.is_explained]
        if written.is_good and committed != label:
            broken.append(f"lost: {label} was acknowledged, {committed} is there")
        if not written.is_good and committed != before and written.reason != "outcome_unknown":
            broken.append("a write that was refused is there")
        if written.is_good and (own in old or (others in old and not faults[0].silent)):
            broken.append(f"stale after {label}: {[answer.label for answer in old]}")
        broken += self._disagreements(committed)
        return Row(redis, postgres, answers, events, recovery_seconds, broken)

    def _ask_meanwhile(
        self, faults: tuple[Fault, Fault], label: str, operations: Sequence[str]
    ) -> tuple[dict[str, Answer], list[Answer]]:
        """The answers to all operations at once, and what both servers say about the changed one right afterwards."""
        with ThreadPoolExecutor(len(OPERATIONS)) as pool:
            for fault in faults:
                fault.begin(self.stage)
            asked = {name: pool.submit(self.client.ask, self.asked, name, label) for name in operations}
            time.sleep(self.stage.budget_ms / 4_000)
            for fault in faults:
                fault.meanwhile(self.stage)
            written = asked["write"].result()
            after = [self._show(port) for port in (self.asked, self.other)] if written.is_good else []
            answers = {name: future.result() for name, future in asked.items()}
        return answers, after or [written, written]

    def _committed(self) -> str:
        row = self.stage.database.execute("SELECT label FROM app.entity WHERE code = %s", [CHANGED]).fetchone()
        return str(row[0])

    def _recover(self) -> float:
        """Wait until everything works as before, without anybody's help; gives how long it took."""
        begun = time.monotonic()
        wait_for(self._is_well, RECOVERY_SECONDS)
        return time.monotonic() - begun

    def _is_well(self) -> bool:
        backlog = self.stage.database.execute("SELECT count(*) FROM cache_layer_outbox").fetchone()
        if backlog is None or backlog[0]:
            return False
        return all(self._show(port).source in SETTLED_SOURCES for port in self.stage.ports) and all(
            self.client.ask(self.asked, name).is_good for name in ("read", "list", "admin")
        )

    def _show(self, port: int) -> Answer:
        return self.client.ask(port, "read changing")

    def _disagreements(self, committed: str) -> list[str]:
        shown = {port: self._show(port).label for port in self.stage.ports}
        return [
            f"{port} shows {label}, committed is {committed}" for port, label in shown.items() if label != committed
        ]


def _name(line: dict[str, str]) -> str:
    """An event as the table names it."""
    event = line["event"].partition(":")[0]
    return f"{event} ({line['during']})" if "during" in line else event
