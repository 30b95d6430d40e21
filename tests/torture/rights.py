"""
The judge of rights that end: tokens, and permissions. It runs nothing itself.

    accepted late   the use began after the end of the right had been acknowledged
    refused early   the use was over before anything that ends the right had begun
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.torture.judge import EXAMPLES, Behind
from tests.torture.records import Use, Window, Write
from tests.torture.windows import MS, was_silent

WATCHED_NS = 500 * MS


@dataclass
class RightsVerdict:
    """
    What the judge found.

    Attributes:
        endings, kinds_of_endings: by what became of them, and by kind.
        ended_while_used: those, by kind, that came while a server was being asked: it accepted the right in the half
            second before, and was asked again in the half second after.
        ended_while_used_on_every_server: those of which the same is true of every server.
        uses_after_end: uses that began after the acknowledged end of a right, if it was ended through Django, by kind.
        accepted_after_end: those that were accepted.
        announced: the same, where the right was ended while Redis was silent for the whole write budget.
        refused_before_end: uses of a right that had not ended and that nobody was ending.
        examples: some violations, for people.
    """

    accepted: int = 0
    refused: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    kinds_of_endings: Counter[str] = field(default_factory=Counter)
    ended_while_used: Counter[str] = field(default_factory=Counter)
    ended_while_used_on_every_server: int = 0
    uses_after_end: Counter[str] = field(default_factory=Counter)
    accepted_after_end: Counter[str] = field(default_factory=Counter)
    accepted_after_end_ms: list[float] = field(default_factory=list)
    announced: int = 0
    refused_before_end: int = 0
    behind_django: Behind = field(default_factory=Behind)
    examples: list[str] = field(default_factory=list)

    def show(self, what: str, use: Use, ending: Write | None) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{what}: {use}, {ending}")


def judge_rights(uses: Sequence[Use], endings: Sequence[Write], windows: Sequence[Window] = ()) -> RightsVerdict:
    """
    Compare every use with the end of its right.

    Args:
        endings: at most one for each right; its `key` is the right's number.
    """
    verdict = RightsVerdict(accepted=sum(use.accepted for use in uses))
    verdict.refused = len(uses) - verdict.accepted
    verdict.endings.update(ending.outcome for ending in endings)
    verdict.kinds_of_endings.update(ending.kind for ending in endings)
    by_right: defaultdict[int, list[Use]] = defaultdict(list)
    for use in uses:
        by_right[use.right].append(use)
    ended = {ending.key: ending for ending in endings}
    servers = {use.server for use in uses}
    for right, of_it in by_right.items():
        ending = ended.get(right)
        _judge_refusals(of_it, ending, verdict)
        if ending is not None and ending.acknowledged:
            _judge_end(of_it, ending, windows, verdict)
            around = _servers_around(of_it, ending)
            if around:
                verdict.ended_while_used[ending.kind] += 1
                verdict.ended_while_used_on_every_server += around == servers
    return verdict


def _judge_refusals(uses: Sequence[Use], ending: Write | None, verdict: RightsVerdict) -> None:
    for use in uses:
        if not use.accepted and (ending is None or use.ended < ending.started):
            verdict.refused_before_end += 1
            verdict.show("refused early", use, ending)


def _judge_end(uses: Sequence[Use], ending: Write, windows: Sequence[Window], verdict: RightsVerdict) -> None:
    end = ending.ended or 0
    late = [use for use in uses if use.started > end]
    accepted = [use for use in late if use.accepted]
    if ending.behind_django:
        if late:
            last = max((use.started for use in accepted), default=end)
            verdict.behind_django.measure(ending, last, windows)
        verdict.behind_django.stale += len(accepted)
        return
    verdict.uses_after_end[ending.kind] += len(late)
    if was_silent(ending, windows):
        verdict.announced += len(accepted)
        return
    for use in accepted:
        late_ms = (use.started - end) / MS
        verdict.accepted_after_end[ending.kind] += 1
        verdict.accepted_after_end_ms.append(late_ms)
        verdict.show(f"accepted {late_ms:.1f} ms late", use, ending)


def _servers_around(uses: Sequence[Use], ending: Write) -> set[int]:
    """The servers that accepted the right shortly before it ended, and were asked again shortly after."""
    end = ending.ended or 0
    before = {use.server for use in uses if use.accepted and end - WATCHED_NS < use.ended and use.started < end}
    after = {use.server for use in uses if end < use.started < end + WATCHED_NS}
    return before & after
