"""
The judge: reads and writes of a finished run, compared exactly with the order of commits. It runs nothing itself.

    stale       the read began after a newer version's write had been acknowledged
    inversion   the read began after another read, which saw a newer version, had finished
    phantom     the version read was never committed (for that key), or not even begun
    lost        the write was acknowledged and never committed
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.torture.plan import MOVES, REDIS_LOST, SILENCES, STOPPED, WRITE_BUDGET_MS
from tests.torture.records import SOURCES, Read, Window, Write

MS = 1_000_000
DISTURBING = SILENCES | {"kill-servers", "kill-relay", "kill-redis", "drop-redis", "drop-postgres", STOPPED, *MOVES}
"""Faults that hold up the relay."""
BEGUN_BEFORE_MS = 100
"""How long before the silence the writer's first attempt may have begun."""
EXAMPLES = 20
COMMIT_LIMIT_MS = 100
"""How long after its row changed a short write is surely committed, where nobody lived to say so."""


class Commit(NamedTuple):
    """One committed version; `noted` is when its row changed, in the transaction."""

    version: int
    noted: int


@dataclass(frozen=True)
class History:
    """
    All that is known of a run.

    Attributes:
        commits: for each key, its versions in commit order, the first one being there when the run began.
        windows: what was done to the processes, and when.
        hold_ms: how long a hold lasts.
    """

    reads: Iterable[Read]
    writes: Sequence[Write]
    commits: Mapping[int, Sequence[Commit]]
    windows: Sequence[Window] = ()
    hold_ms: int = 5_000


@dataclass
class Behind:
    """
    Changes behind Django's back.

    Attributes:
        stale: how often something older was given after such a change had been acknowledged.
        lags_ms: for each of them, how long after its commit had returned somebody still asked who was given something
            older, in ms; 0 if nobody was.
        calm_lags_ms: of those, where neither the relay nor Redis nor a database session was being hit.
    """

    stale: int = 0
    lags_ms: list[float] = field(default_factory=list)
    calm_lags_ms: list[float] = field(default_factory=list)

    def measure(self, write: Write, until: int, windows: Iterable[Window]) -> None:
        """Note that what it changed was last given to somebody who asked at `until`."""
        lag_ms = (until - (write.ended or 0)) / MS
        self.lags_ms.append(lag_ms)
        if was_calm(write.started, until, windows):
            self.calm_lags_ms.append(lag_ms)


@dataclass
class Verdict:
    """
    What the judge found.

    Attributes:
        stale: reads older than an acknowledged Django write.
        announced: the same, where the write was made while Redis was silent for the whole write budget: the one
            exception that the policy `available` announces.
        inversions: against a Django write whose hold was in force until its release.
        inversions_with_hold_lost: against Django writes whose hold was lost: Redis was killed or flushed, or it lapsed.
        inversions_behind_django: against changes behind Django's back alone.
        writes, kinds_of_writes: by what became of them, and by kind.
        examples: some violations, for people.
    """

    reads: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    kinds_of_writes: Counter[str] = field(default_factory=Counter)
    stale: int = 0
    stale_ms: list[float] = field(default_factory=list)
    announced: int = 0
    inversions: int = 0
    inversion_ms: list[float] = field(default_factory=list)
    inversions_with_hold_lost: int = 0
    inversions_behind_django: int = 0
    phantoms: int = 0
    lost_writes: int = 0
    behind_django: Behind = field(default_factory=Behind)
    examples: list[str] = field(default_factory=list)

    def show(self, text: str) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(text)


class Stairs:
    """The newest version known by any time: it only ever climbs."""

    def __init__(self, steps: Iterable[tuple[int, int]]) -> None:
        self._times: list[int] = []
        self._places: list[int] = []
        for time, place in sorted(steps):
            if not self._places or place > self._places[-1]:
                self._times.append(time)
                self._places.append(place)

    def before(self, time: int) -> int:
        """The newest place known before `time`; -1 if none was."""
        step = bisect_left(self._times, time)
        return self._places[step - 1] if step else -1

    def since(self, place: int) -> int:
        """From when on something newer than `place` was known."""
        return self._times[bisect_right(self._places, place)]


def judge(history: History, verdict: Verdict) -> None:
    """Compare every read with what was acknowledged, and seen, before it began, and add to the verdict."""
    verdict.sources.update(SOURCES[read.source] for read in history.reads)
    verdict.reads = verdict.sources.total()
    outcomes = {write.version: write for write in history.writes}.values()  # one for all keys of a write
    verdict.writes.update(write.outcome for write in outcomes)
    verdict.kinds_of_writes.update(write.kind for write in outcomes)
    for key in history.commits:
        _KeyJudge(history, key, verdict).judge_reads([read for read in history.reads if read.key == key])


class _KeyJudge:
    def __init__(self, history: History, key: int, verdict: Verdict) -> None:
        commits = history.commits[key]
        self.history, self.key, self.verdict = history, key, verdict
        self.places = {commit.version: place for place, commit in enumerate(commits)}
        self.writes: dict[int, Write] = {}
        for write in history.writes:
            if write.key != key:
                continue
            place = self.places.get(write.version)
            if place is not None:
                self.writes[place] = write
            elif write.acknowledged:
                verdict.lost_writes += 1
                verdict.show(f"lost: key {key}, {write}")
        acknowledged = {place: write for place, write in self.writes.items() if write.acknowledged}
        django = {place: write for place, write in acknowledged.items() if not write.behind_django}
        self.raw = {place: write for place, write in acknowledged.items() if write.behind_django}
        self.all_acknowledged = Stairs((write.ended or 0, place) for place, write in django.items())
        self.acknowledged = Stairs(
            (write.ended or 0, place) for place, write in django.items() if not was_silent(write, history.windows)
        )
        self.raw_acknowledged = Stairs((write.ended or 0, place) for place, write in self.raw.items())
        # How many of the first n versions were made through Django, and under a hold that lasted.
        self.django_until, self.firm_until = [0], [0]
        for place, commit in enumerate(commits):
            by_django = place in self.writes and not self.writes[place].behind_django
            firm = by_django and self._held_throughout(self.writes[place], commit)
            self.django_until.append(self.django_until[-1] + by_django)
            self.firm_until.append(self.firm_until[-1] + firm)

    def judge_reads(self, reads: Sequence[Read]) -> None:
        seen = Stairs((read.ended, self.places[read.version]) for read in reads if read.version in self.places)
        last_old_read: dict[int, int] = {}
        last_asked = max((read.started for read in reads), default=0)
        for read in reads:
            place = self.places.get(read.version)
            if place is None or (place in self.writes and read.ended < self.writes[place].started):
                self.verdict.phantoms += 1
                self._show("phantom", read)
                continue
            self._judge_freshness(read, place)
            self._judge_order(read, place, seen)
            for newer in range(place + 1, self.raw_acknowledged.before(read.started) + 1):
                if newer in self.raw and (self.raw[newer].ended or 0) < read.started:
                    last_old_read[newer] = max(last_old_read.get(newer, 0), read.started)
        for place, write in self.raw.items():
            ended = write.ended or 0
            if last_asked > ended:
                self.verdict.behind_django.measure(write, last_old_read.get(place, ended), self.history.windows)

    def _judge_freshness(self, read: Read, place: int) -> None:
        if place < self.raw_acknowledged.before(read.started):
            self.verdict.behind_django.stale += 1
        if place < self.acknowledged.before(read.started):
            late_ms = (read.started - self.acknowledged.since(place)) / MS
            self.verdict.stale += 1
            self.verdict.stale_ms.append(late_ms)
            self._show(f"stale by {late_ms:.1f} ms", read)
        elif place < self.all_acknowledged.before(read.started):
            self.verdict.announced += 1
            self._show("stale as announced", read)

    def _judge_order(self, read: Read, place: int, seen: Stairs) -> None:
        newest = seen.before(read.started)
        if place >= newest:
            return
        if self.firm_until[newest + 1] > self.firm_until[place + 1]:
            late_ms = (read.started - seen.since(place)) / MS
            self.verdict.inversions += 1
            self.verdict.inversion_ms.append(late_ms)
            self._show(f"inversion by {late_ms:.1f} ms after place {newest}", read)
        elif self.django_until[newest + 1] > self.django_until[place + 1]:
            self.verdict.inversions_with_hold_lost += 1
        else:
            self.verdict.inversions_behind_django += 1

    def _held_throughout(self, write: Write, commit: Commit) -> bool:
        """Whether the hold was in force from before the change until no reader could find an older copy."""
        hold_ns = self.history.hold_ms * MS
        if write.ended is not None:
            end = write.ended
        elif write.kind == "long":
            return False
        else:
            end = commit.noted + COMMIT_LIMIT_MS * MS
        if end - write.started >= hold_ns or was_silent(write, self.history.windows):
            return False
        lost = [window for window in self.history.windows if window.fault in REDIS_LOST]
        return not any(window.touches(write.started, end) for window in lost)

    def _show(self, what: str, read: Read) -> None:
        place = self.places.get(read.version, len(self.places))
        newer = [(later, self.writes.get(later)) for later in range(place + 1, min(place + 4, len(self.places)))]
        self.verdict.show(
            f"{what}: key {self.key}, place {place}, from {SOURCES[read.source]}: {read}; "
            f"its write {self.writes.get(place)}; newer {newer}"
        )


def was_silent(write: Write, windows: Iterable[Window]) -> bool:
    """Whether Redis was silent for as long as the writer tries to take its hold, or to release it."""
    ended = write.ended or write.started
    silences = [
        min(ended, window.ended) - max(write.started, window.begun) for window in windows if window.fault in SILENCES
    ]
    return max(silences, default=0) >= (WRITE_BUDGET_MS - BEGUN_BEFORE_MS) * MS


def was_calm(begun: int, ended: int, windows: Iterable[Window]) -> bool:
    """Whether nothing held up the relay between these two moments."""
    return not any(window.touches(begun, ended) for window in windows if window.fault in DISTURBING)
