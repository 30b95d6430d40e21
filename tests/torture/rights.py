"""
Rights that end, tokens and permissions, judged as keys of two versions: granted, and ended.

    stale       the right was accepted in a use that began after its end had been acknowledged
    phantom     it was refused in a use that was over before anything that ends it had begun
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.torture.judge import MS, Commit, History, Verdict, judge
from tests.torture.records import Read, Use, Window, Write

GRANTED, ENDED = 0, 1
WATCHED_NS = 500 * MS


@dataclass
class RightsVerdict(Verdict):
    """
    What the judge found; reads are uses, and writes are ends.

    Attributes:
        ended_while_used: those, by kind, that came while a server was being asked: it accepted the right in the half
            second before, and was asked again in the half second after.
        ended_while_used_on_every_server: those of which the same is true of every server.
        uses_after_end: uses that began after the acknowledged end of a right, if it was ended through Django, by kind.
        accepted_after_end: those that were stale.
    """

    accepted: int = 0
    ended_while_used: Counter[str] = field(default_factory=Counter)
    ended_while_used_on_every_server: int = 0
    uses_after_end: Counter[str] = field(default_factory=Counter)
    accepted_after_end: Counter[str] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.reads - self.accepted


def judge_rights(uses: Sequence[Use], endings: Sequence[Write], windows: Sequence[Window] = ()) -> RightsVerdict:
    """
    Compare every use with the end of its right.

    Args:
        endings: at most one for each right; its `key` is the right's number.
    """
    verdict = RightsVerdict(accepted=sum(use.accepted for use in uses))
    reads_of: defaultdict[int, list[Read]] = defaultdict(list)
    for right, started, ended, server, accepted in uses:
        reads_of[right].append(Read(right, started, ended, GRANTED if accepted else ENDED, 0, server))
    ending_of = {ending.key: ending._replace(version=ENDED) for ending in endings}
    servers = {use.server for use in uses}
    for right, reads in reads_of.items():
        ending, stale = ending_of.get(right), verdict.stale
        commits = [Commit(GRANTED, 0), *([Commit(ENDED, ending.started)] if ending else [])]
        judge(History(reads, [ending] if ending else [], {right: commits}, windows), verdict)
        if ending is None or not ending.acknowledged:
            continue
        if not ending.behind_django:
            verdict.uses_after_end[ending.kind] += sum(read.started > (ending.ended or 0) for read in reads)
            verdict.accepted_after_end[ending.kind] += verdict.stale - stale
        if around := _servers_around(reads, ending.ended or 0):
            verdict.ended_while_used[ending.kind] += 1
            verdict.ended_while_used_on_every_server += around == servers
    return verdict


def _servers_around(reads: Sequence[Read], end: int) -> set[int]:
    """The servers that accepted the right shortly before it ended, and were asked again shortly after."""
    before = {
        read.server
        for read in reads
        if read.version == GRANTED and end - WATCHED_NS < read.ended and read.started < end
    }
    return before & {read.server for read in reads if end < read.started < end + WATCHED_NS}
