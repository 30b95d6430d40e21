"""
The judge of rights that end: tokens, and permissions. It runs nothing itself.

    accepted late   the use began after the end of the right had been acknowledged
    refused early   the use was over before anything that ends the right had begun
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.torture.judge import EXAMPLES
from tests.torture.records import Window, Write
from tests.torture.uses import Use, UseLog
from tests.torture.windows import MS, was_calm, was_silent

WATCHED_NS = 500 * MS


@dataclass
class RightsVerdict:
    """
    What the judge found.

    Attributes:
        outcomes, kinds: of the endings.
        watched: those, by kind, that came while a server was being asked: it accepted the right in the half second
            before, and was asked again in the half second after.
        watched_everywhere: those of which the same is true of every server.
        late: uses that began after the acknowledged end of a right, if it was ended through Django, by its kind.
        accepted_late: those that were accepted.
        announced: the same, where the right was ended while Redis was silent for the whole write budget.
        refused_early: uses of a right that had not ended and that nobody was ending.
        raw_accepted: accepted uses that began after the acknowledged end of a right that was ended by SQL.
        raw_lags: for each such end, how long after it a use still began that was accepted, in ms; 0 if none did.
        calm_raw_lags: of those, where neither the relay nor Redis nor a database session was being hit.
        examples: some violations, for people.
    """

    accepted: int = 0
    refused: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    watched: Counter[str] = field(default_factory=Counter)
    watched_everywhere: int = 0
    late: Counter[str] = field(default_factory=Counter)
    accepted_late: Counter[str] = field(default_factory=Counter)
    accepted_late_ms: list[float] = field(default_factory=list)
    announced: int = 0
    refused_early: int = 0
    raw_accepted: int = 0
    raw_lags: list[float] = field(default_factory=list)
    calm_raw_lags: list[float] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def show(self, what: str, use: Use, ending: Write | None) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{what}: {use}, {ending}")


def judge_rights(uses: UseLog, endings: Sequence[Write], windows: Sequence[Window] = ()) -> RightsVerdict:
    """
    Compare every use with the end of its right.

    Args:
        endings: at most one for each right; its `key` is the right's number.
    """
    verdict = RightsVerdict(accepted=sum(uses.accepted))
    verdict.refused = len(uses) - verdict.accepted
    verdict.outcomes.update(ending.outcome for ending in endings)
    verdict.kinds.update(ending.kind for ending in endings)
    by_right: defaultdict[int, list[int]] = defaultdict(list)
    for index, right in enumerate(uses.right):
        by_right[right].append(index)
    ended = {ending.key: ending for ending in endings}
    servers = set(uses.server)
    for right, indexes in by_right.items():
        ending, of_it = ended.get(right), [uses[index] for index in indexes]
        _judge_refusals(of_it, ending, verdict)
        if ending is not None and ending.acknowledged:
            _judge_end(of_it, ending, windows, verdict)
            around = _servers_around(of_it, ending)
            if around:
                verdict.watched[ending.kind] += 1
                verdict.watched_everywhere += around == servers
    return verdict


def _judge_refusals(uses: Sequence[Use], ending: Write | None, verdict: RightsVerdict) -> None:
    for use in uses:
        if not use.accepted and (ending is None or use.ended < ending.started):
            verdict.refused_early += 1
            verdict.show("refused early", use, ending)


def _judge_end(uses: Sequence[Use], ending: Write, windows: Sequence[Window], verdict: RightsVerdict) -> None:
    end = ending.ended or 0
    late = [use for use in uses if use.started > end]
    accepted = [use for use in late if use.accepted]
    if ending.behind_django:
        if late:
            _measure_lag(max((use.started for use in accepted), default=end), ending, windows, verdict)
        verdict.raw_accepted += len(accepted)
        return
    verdict.late[ending.kind] += len(late)
    if was_silent(ending, windows):
        verdict.announced += len(accepted)
        return
    for use in accepted:
        late_ms = (use.started - end) / MS
        verdict.accepted_late[ending.kind] += 1
        verdict.accepted_late_ms.append(late_ms)
        verdict.show(f"accepted {late_ms:.1f} ms late", use, ending)


def _measure_lag(until: int, ending: Write, windows: Sequence[Window], verdict: RightsVerdict) -> None:
    lag_ms = (until - (ending.ended or 0)) / MS
    verdict.raw_lags.append(lag_ms)
    if was_calm(ending.started, until, windows):
        verdict.calm_raw_lags.append(lag_ms)


def _servers_around(uses: Sequence[Use], ending: Write) -> set[int]:
    """The servers that accepted the right shortly before it ended, and were asked again shortly after."""
    end = ending.ended or 0
    before = {use.server for use in uses if use.accepted and end - WATCHED_NS < use.ended and use.started < end}
    after = {use.server for use in uses if end < use.started < end + WATCHED_NS}
    return before & after
