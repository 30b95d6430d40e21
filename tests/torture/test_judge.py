"""The judge sees what it is to see, and nothing else, in histories written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from tests.torture.judge import Commit, History, Verdict, judge
from tests.torture.records import ACKNOWLEDGED, KILLED, SOURCES, ReadLog, Window, Write
from tests.torture.rights import RightsVerdict, judge_rights
from tests.torture.uses import Use, UseLog

MS = 1_000_000
Moment = tuple[int, int, int]
SILENCE = Window("stop-redis", 20 * MS, 2_900 * MS)


def reads_of(*reads: Moment, key: int = 0) -> ReadLog:
    """A log of reads given as (start in ms, end in ms, version)."""
    log = ReadLog()
    for start, end, version in reads:
        log.add(key, start * MS, end * MS, version=version, source=SOURCES.index("L2"), server=0)
    return log


def write(
    version: int, start: int, end: int | None, outcome: str = ACKNOWLEDGED, *, kind: str = "patch", key: int = 0
) -> Write:
    return Write(key, version, kind, 0, start * MS, None if end is None else end * MS, outcome)


def verdict_on(
    reads: ReadLog,
    *writes: Write,
    order: Sequence[int],
    windows: Sequence[Window] = (),
    hold_ms: int = 5_000,
    noted: int = 0,
) -> Verdict:
    commits = {0: [Commit(version, noted * MS) for version in order]}
    return judge(History(reads, writes, commits, windows, hold_ms))


def test_a_read_that_began_before_the_acknowledgement_may_give_the_older_version() -> None:
    verdict = verdict_on(reads_of((109, 300, 0)), write(1, 10, 110), order=[0, 1])
    assert (verdict.reads, verdict.stale, verdict.inversions) == (1, 0, 0)


def test_a_read_that_began_after_the_acknowledgement_and_gives_the_older_version_is_stale() -> None:
    verdict = verdict_on(reads_of((111, 112, 0)), write(1, 10, 110), order=[0, 1])
    assert (verdict.stale, verdict.stale_ms) == (1, [1.0])


def test_staleness_counts_from_the_first_acknowledgement_that_made_the_version_old() -> None:
    verdict = verdict_on(reads_of((150, 151, 0)), write(1, 10, 110), write(2, 20, 140), order=[0, 1, 2])
    assert verdict.stale_ms == [40.0]


def test_commit_order_counts_not_the_order_of_acknowledgements() -> None:
    first_acknowledged_last = [write(2, 10, 100), write(1, 20, 130)]
    assert verdict_on(reads_of((140, 141, 2)), *first_acknowledged_last, order=[0, 1, 2]).stale == 0
    assert verdict_on(reads_of((140, 141, 1)), *first_acknowledged_last, order=[0, 1, 2]).stale == 1


def test_a_write_whose_writer_never_learned_of_it_makes_nothing_stale_but_may_be_seen() -> None:
    for outcome, end in (("unknown:reset", 110), (KILLED, None)):
        reads = reads_of((120, 121, 0), (130, 131, 1))
        verdict = verdict_on(reads, write(1, 10, end, outcome), order=[0, 1])
        assert (verdict.stale, verdict.phantoms, verdict.inversions) == (0, 0, 0)


def test_older_after_newer_is_an_inversion_even_if_nothing_was_acknowledged() -> None:
    reads = reads_of((20, 21, 1), (22, 23, 0))
    verdict = verdict_on(reads, write(1, 10, None, KILLED), order=[0, 1])
    assert (verdict.inversions, verdict.inversion_ms, verdict.stale) == (1, [1.0], 0)


def test_reads_that_overlap_have_no_order() -> None:
    reads = reads_of((20, 25, 1), (25, 30, 0), (24, 40, 0))
    assert verdict_on(reads, write(1, 10, 110), order=[0, 1]).inversions == 0


def test_an_inversion_is_excused_only_while_the_hold_was_lost() -> None:
    reads = reads_of((90, 91, 1), (92, 93, 0))
    written = write(1, 10, 110)
    flushed, later = Window("flushdb", 50 * MS, 51 * MS), Window("flushdb", 200 * MS, 201 * MS)
    stopped = Window("stop-redis", 50 * MS, 51 * MS)
    assert verdict_on(reads, written, order=[0, 1], windows=[flushed]).inversions_with_hold_lost == 1
    assert verdict_on(reads, written, order=[0, 1], windows=[later]).inversions == 1
    assert verdict_on(reads, written, order=[0, 1], windows=[stopped]).inversions == 1
    assert verdict_on(reads, written, order=[0, 1], hold_ms=100).inversions_with_hold_lost == 1
    assert verdict_on(reads, written, order=[0, 1], hold_ms=101).inversions == 1


def test_an_excused_write_does_not_excuse_an_inversion_against_another() -> None:
    reads = reads_of((220, 221, 2), (222, 223, 0))
    flushed = Window("flushdb", 50 * MS, 51 * MS)
    verdict = verdict_on(reads, write(1, 10, 110), write(2, 120, 230), order=[0, 1, 2], windows=[flushed])
    assert (verdict.inversions, verdict.inversions_with_hold_lost) == (1, 0)


def test_the_hold_of_a_killed_writer_counts_from_its_beginning_to_its_commit() -> None:
    reads = reads_of((900, 901, 1), (902, 903, 0))
    killed = write(1, 10, None, KILLED)
    assert verdict_on(reads, killed, order=[0, 1], hold_ms=500, noted=300).inversions == 1
    assert verdict_on(reads, killed, order=[0, 1], hold_ms=500, noted=450).inversions_with_hold_lost == 1
    long = write(1, 10, None, KILLED, kind="long")
    assert verdict_on(reads, long, order=[0, 1], hold_ms=500, noted=300).inversions_with_hold_lost == 1


def test_a_write_that_found_redis_silent_has_no_hold_that_could_forbid_an_inversion() -> None:
    reads = reads_of((2_050, 2_051, 1), (2_052, 2_053, 0))
    assert verdict_on(reads, write(1, 10, 2_100), order=[0, 1], windows=[SILENCE]).inversions_with_hold_lost == 1
    assert verdict_on(reads, write(1, 10, 2_100), order=[0, 1]).inversions == 1


def test_a_lost_hold_excuses_no_stale_read() -> None:
    flushed = Window("flushdb", 50 * MS, 51 * MS)
    assert verdict_on(reads_of((111, 112, 0)), write(1, 10, 110), order=[0, 1], windows=[flushed]).stale == 1


def test_only_silence_for_the_whole_write_budget_is_the_announced_exception() -> None:
    tried_throughout = write(1, 10, 2_100)
    verdict = verdict_on(reads_of((2_950, 2_951, 0)), tried_throughout, order=[0, 1], windows=[SILENCE])
    assert (verdict.stale, verdict.announced) == (0, 1)
    assert verdict_on(reads_of((2_950, 2_951, 0)), tried_throughout, order=[0, 1]).stale == 1
    quick = write(1, 10, 1_900)
    assert verdict_on(reads_of((2_950, 2_951, 0)), quick, order=[0, 1], windows=[SILENCE]).stale == 1
    short_silence = Window("stop-redis", 300 * MS, 2_000 * MS)
    verdict = verdict_on(reads_of((2_950, 2_951, 0)), tried_throughout, order=[0, 1], windows=[short_silence])
    assert (verdict.stale, verdict.announced) == (1, 0)


def test_a_version_that_was_rolled_back_is_a_phantom_to_its_readers() -> None:
    verdict = verdict_on(reads_of((120, 121, 7)), write(7, 10, 110, "rolled-back"), order=[0])
    assert (verdict.phantoms, verdict.stale, verdict.lost_writes) == (1, 0, 0)


def test_a_version_of_another_key_is_a_phantom() -> None:
    commits = {0: [Commit(0, 0)], 1: [Commit(0, 0), Commit(5, 0)]}
    assert judge(History(reads_of((120, 121, 5)), [write(5, 10, 110, key=1)], commits)).phantoms == 1


def test_an_acknowledged_write_that_was_never_committed_is_lost() -> None:
    assert verdict_on(reads_of(), write(1, 10, 110), order=[0]).lost_writes == 1


def test_changes_behind_django_are_measured_apart() -> None:
    reads = reads_of((130, 131, 0), (105, 106, 0), (160, 161, 1))
    verdict = verdict_on(reads, write(1, 10, 100, kind="raw"), order=[0, 1])
    assert (verdict.stale, verdict.behind_django.stale, verdict.behind_django.lags_ms) == (0, 2, [30.0])


def test_the_lag_is_calm_only_if_nothing_was_done_to_the_relay_meanwhile() -> None:
    written, relay = write(1, 10, 100, kind="raw"), Window("kill-relay", 110 * MS, 115 * MS)
    for read, windows, lags, calm in (
        ((120, 121, 1), [], [0.0], [0.0]),
        ((130, 131, 0), [], [30.0], [30.0]),
        ((130, 131, 0), [relay], [30.0], []),
    ):
        verdict = verdict_on(reads_of(read), written, order=[0, 1], windows=windows)
        assert (verdict.behind_django.lags_ms, verdict.behind_django.calm_lags_ms) == (lags, calm)


def test_an_inversion_against_a_change_behind_django_is_counted_apart() -> None:
    reads = reads_of((110, 111, 1), (112, 113, 0))
    verdict = verdict_on(reads, write(1, 10, 100, kind="raw"), order=[0, 1])
    assert (verdict.inversions, verdict.inversions_behind_django) == (0, 1)


def test_a_django_write_after_a_change_behind_its_back_covers_it() -> None:
    written = [write(1, 10, 100, kind="raw"), write(2, 110, 200)]
    assert verdict_on(reads_of((210, 211, 1)), *written, order=[0, 1, 2]).stale == 1
    assert verdict_on(reads_of((210, 211, 0)), *written, order=[0, 1, 2]).stale == 1


def test_each_key_is_judged_by_its_own_history() -> None:
    reads = reads_of((120, 121, 0), key=1)
    reads.add(0, 120 * MS, 121 * MS, version=1, source=SOURCES.index("L1"), server=2)
    commits = {0: [Commit(0, 0), Commit(1, 0)], 1: [Commit(0, 0)]}
    verdict = judge(History(reads, [write(1, 10, 110)], commits))
    assert (verdict.stale, verdict.sources) == (0, {"L1": 1, "L2": 1})


def verdict_on_uses(
    *uses: tuple[int, int, bool], endings: Sequence[Write] = (), windows: Sequence[Window] = (), servers: int = 1
) -> RightsVerdict:
    """Of right 7, used by turns on so many servers; uses are given as (start in ms, end in ms, accepted)."""
    log = UseLog()
    for number, (start, end, accepted) in enumerate(uses):
        log.add(Use(7, start * MS, end * MS, number % servers, accepted))
    return judge_rights(log, endings, windows)


def end_of_right(start: int, end: int | None, outcome: str = ACKNOWLEDGED, *, kind: str = "logout") -> Write:
    return write(1, start, end, outcome, kind=kind, key=7)


def test_a_token_that_is_accepted_in_a_read_begun_after_its_end_is_accepted_late() -> None:
    verdict = verdict_on_uses(
        (99, 130, True), (101, 130, True), (102, 103, False), (90, 95, True), endings=[end_of_right(90, 100)]
    )
    assert (verdict.uses_after_end.total(), verdict.accepted_after_end, verdict.accepted_after_end_ms) == (
        2,
        {"logout": 1},
        [1.0],
    )
    assert (verdict.accepted, verdict.refused, verdict.refused_before_end) == (3, 1, 0)


def test_a_token_that_is_refused_before_its_end_began_is_refused_early() -> None:
    uses = [(80, 89, False), (80, 90, False), (95, 99, False), (110, 111, False)]
    assert verdict_on_uses(*uses, endings=[end_of_right(90, 100)]).refused_before_end == 1
    assert verdict_on_uses(*uses).refused_before_end == 4


def test_an_end_that_was_not_acknowledged_promises_nothing() -> None:
    for outcome, end in (("failed:503", 100), (KILLED, None)):
        verdict = verdict_on_uses((110, 111, True), (112, 113, False), endings=[end_of_right(90, end, outcome)])
        assert (verdict.uses_after_end, verdict.accepted_after_end, verdict.refused_before_end) == ({}, {}, 0)


def test_an_end_by_sql_is_measured_like_any_change_behind_django() -> None:
    ending = end_of_right(90, 100, kind="raw-deactivate")
    verdict = verdict_on_uses((110, 111, True), (130, 131, True), (140, 141, False), endings=[ending])
    assert (verdict.accepted_after_end, verdict.behind_django.stale) == ({}, 2)
    assert verdict.behind_django.lags_ms == verdict.behind_django.calm_lags_ms == [30.0]
    relay = Window("kill-relay", 110 * MS, 115 * MS)
    disturbed = verdict_on_uses((130, 131, True), endings=[ending], windows=[relay])
    assert (disturbed.behind_django.lags_ms, disturbed.behind_django.calm_lags_ms) == ([30.0], [])
    assert verdict_on_uses((101, 102, False), endings=[ending]).behind_django.lags_ms == [0.0]
    assert verdict_on_uses((91, 92, True), endings=[ending]).behind_django.lags_ms == [], "nobody looked"


def test_an_end_while_redis_was_silent_is_the_announced_exception_for_tokens_too() -> None:
    uses, ending = [(2_950, 2_951, True), (2_960, 2_961, False)], end_of_right(10, 2_100)
    announced = verdict_on_uses(*uses, endings=[ending], windows=[SILENCE])
    assert (announced.accepted_after_end, announced.announced) == ({}, 1)
    assert verdict_on_uses(*uses, endings=[ending]).accepted_after_end.total() == 1


def test_an_end_is_watched_by_a_server_that_accepted_before_and_was_asked_again_after() -> None:
    ending = end_of_right(90, 100)
    alternating = [(80, 81, True), (82, 83, True), (101, 102, False), (103, 104, False)]
    for uses, watched, everywhere in ((alternating, 1, 1), (alternating[:3], 1, 0), (alternating[:2], 0, 0)):
        verdict = verdict_on_uses(*uses, endings=[ending], servers=2)
        assert (verdict.ended_while_used.total(), verdict.ended_while_used_on_every_server) == (watched, everywhere)
    long_ago = verdict_on_uses((80, 81, True), (601, 602, False), endings=[ending])
    assert long_ago.ended_while_used.total() == 0
