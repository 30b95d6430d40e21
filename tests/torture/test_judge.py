"""The judges see what they are to see, and nothing else, in histories written by hand; times are in ms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.torture.judge import Behind, Commit, History, Verdict, judge
from tests.torture.records import (
    ACKNOWLEDGED,
    KILLED,
    Read,
    Use,
    Window,
    Write,
    WriteLog,
    find_unfinished,
    read_uses,
    read_writes,
)
from tests.torture.rights import RightsVerdict, judge_rights

MS = 1_000_000


def write(
    version: int, start: int, end: int | None, outcome: str = ACKNOWLEDGED, *, kind: str = "patch", key: int = 0
) -> Write:
    return Write(key, version, kind, 0, start * MS, None if end is None else end * MS, outcome)


def window(fault: str, begun: int, ended: int) -> Window:
    return Window(fault, begun * MS, ended * MS)


WRITE, RAW, KILLED_WRITE = write(1, 10, 110), write(1, 10, 100, kind="raw"), write(1, 10, None, KILLED)
SILENT, WHILE_SILENT = window("stop-redis", 20, 2_900), write(1, 10, 2_100)
FLUSHED, RELAY_KILLED = window("flushdb", 50, 51), window("kill-relay", 110, 115)
NEW_THEN_OLD = [(90, 91, 1), (92, 93, 0)]
FINDINGS = ("stale_ms", "announced", "inversion_ms", "inversions_with_hold_lost", "inversions_behind_django")
FINDINGS += ("phantoms", "lost_writes", "behind_django")


def found_in(
    reads: Sequence[tuple[int, int, int]],
    *writes: Write,
    order: Sequence[int] | None = None,
    windows: Sequence[Window] = (),
    hold_ms: int = 5_000,
    noted: int = 0,
) -> dict[str, Any]:
    """
    The judge's findings about reads given as (start, end, version).

    Args:
        order: of the committed versions; that of their numbers if it is not given.
        noted: when their rows changed.
    """
    versions = [0, *sorted(each.version for each in writes)] if order is None else order
    made = [Read(0, start * MS, end * MS, version, 2, 0) for start, end, version in reads]
    commits = {0: [Commit(version, noted * MS) for version in versions]}
    judge(History(made, writes, commits, windows, hold_ms), verdict := Verdict())
    assert (verdict.reads, verdict.stale, verdict.inversions) == (
        len(reads),
        len(verdict.stale_ms),
        len(verdict.inversion_ms),
    )
    found = {name: getattr(verdict, name) for name in FINDINGS}
    return {name: figure for name, figure in found.items() if figure and figure != Behind()}


def test_a_read_is_stale_if_a_newer_version_was_acknowledged_before_it_began() -> None:
    assert found_in([(109, 300, 0)], WRITE) == {}
    assert found_in([(111, 112, 0)], WRITE) == {"stale_ms": [1]}
    assert found_in([(150, 151, 0)], WRITE, write(2, 20, 140)) == {"stale_ms": [40]}, "since the first"


def test_commit_order_counts_not_the_order_of_acknowledgements() -> None:
    first_acknowledged_last = write(2, 10, 100), write(1, 20, 130)
    assert found_in([(140, 141, 2)], *first_acknowledged_last) == {}
    assert found_in([(140, 141, 1)], *first_acknowledged_last) == {"stale_ms": [40]}


def test_a_write_whose_writer_never_learned_of_it_makes_nothing_stale_but_may_be_seen() -> None:
    for written in (write(1, 10, 110, "unknown:reset"), KILLED_WRITE):
        assert found_in([(120, 121, 0), (130, 131, 1)], written) == {}


def test_older_after_newer_is_an_inversion_even_if_nothing_was_acknowledged() -> None:
    assert found_in(NEW_THEN_OLD, KILLED_WRITE) == {"inversion_ms": [1]}
    assert found_in([(20, 25, 1), (25, 30, 0), (24, 40, 0)], WRITE) == {}, "reads that overlap have no order"


def test_an_inversion_is_excused_only_while_the_hold_was_lost() -> None:
    excused, inversion = {"inversions_with_hold_lost": 1}, {"inversion_ms": [1]}
    assert found_in(NEW_THEN_OLD, WRITE, windows=[FLUSHED]) == excused
    assert found_in(NEW_THEN_OLD, WRITE, windows=[window("flushdb", 200, 201)]) == inversion
    assert found_in(NEW_THEN_OLD, WRITE, windows=[window("stop-redis", 50, 51)]) == inversion
    assert found_in(NEW_THEN_OLD, WRITE, hold_ms=100) == excused
    assert found_in(NEW_THEN_OLD, WRITE, hold_ms=101) == inversion
    silent = [(2_050, 2_051, 1), (2_052, 2_053, 0)]
    assert found_in(silent, WHILE_SILENT, windows=[SILENT]) == excused
    assert found_in(silent, WHILE_SILENT) == inversion


def test_an_excused_write_does_not_excuse_an_inversion_against_another() -> None:
    found = found_in([(220, 221, 2), (222, 223, 0)], WRITE, write(2, 120, 230), windows=[FLUSHED])
    assert found == {"inversion_ms": [1], "stale_ms": [112]}


def test_the_hold_of_a_killed_writer_counts_from_its_beginning_to_its_commit() -> None:
    reads, excused = [(900, 901, 1), (902, 903, 0)], {"inversions_with_hold_lost": 1}
    assert found_in(reads, KILLED_WRITE, hold_ms=500, noted=300) == {"inversion_ms": [1]}
    assert found_in(reads, KILLED_WRITE, hold_ms=500, noted=450) == excused
    assert found_in(reads, write(1, 10, None, KILLED, kind="long"), hold_ms=500, noted=300) == excused


def test_only_silence_for_the_whole_write_budget_excuses_a_stale_read() -> None:
    old = [(2_950, 2_951, 0)]
    assert found_in(old, WHILE_SILENT, windows=[SILENT]) == {"announced": 1}
    assert found_in(old, WHILE_SILENT) == {"stale_ms": [850]}
    assert found_in(old, write(1, 10, 1_900), windows=[SILENT]) == {"stale_ms": [1_050]}
    assert found_in(old, WHILE_SILENT, windows=[window("stop-redis", 300, 2_000)]) == {"stale_ms": [850]}
    assert found_in([(111, 112, 0)], WRITE, windows=[FLUSHED]) == {"stale_ms": [1]}


def test_what_was_never_committed_for_a_key_is_a_phantom_if_it_is_read_and_lost_if_it_was_acknowledged() -> None:
    assert found_in([(120, 121, 7)], write(7, 10, 110, "rolled-back"), order=[0]) == {"phantoms": 1}
    assert found_in([(120, 121, 5)], write(5, 10, 110, key=1), order=[0]) == {"phantoms": 1}
    assert found_in([], WRITE, order=[0]) == {"lost_writes": 1}


def test_changes_behind_django_are_measured_apart() -> None:
    reads = [(130, 131, 0), (105, 106, 0), (160, 161, 1)]
    assert found_in(reads, RAW) == {"behind_django": Behind(2, [30], [30])}
    assert found_in([(120, 121, 1)], RAW) == {"behind_django": Behind(0, [0], [0])}
    assert found_in([(130, 131, 0)], RAW, windows=[RELAY_KILLED]) == {"behind_django": Behind(1, [30], [])}
    inverted = {"inversions_behind_django": 1, "behind_django": Behind(1, [12], [12])}
    assert found_in([(110, 111, 1), (112, 113, 0)], RAW) == inverted


def test_a_django_write_after_a_change_behind_its_back_covers_it() -> None:
    for version, behind in ((1, Behind(0, [0], [0])), (0, Behind(1, [110], [110]))):
        found = found_in([(210, 211, version)], RAW, write(2, 110, 200))
        assert found == {"stale_ms": [10], "behind_django": behind}


def test_each_key_is_judged_by_its_own_history() -> None:
    reads = [Read(1, 120 * MS, 121 * MS, 0, 2, 0), Read(0, 120 * MS, 121 * MS, 1, 1, 2)]
    judge(History(reads, [WRITE], {0: [Commit(0, 0), Commit(1, 0)], 1: [Commit(0, 0)]}), verdict := Verdict())
    assert (verdict.stale, verdict.phantoms, verdict.sources) == (0, 0, {"L1": 1, "L2": 1})


def verdict_on_uses(
    *uses: tuple[int, int, bool], ending: Write | None = None, windows: Sequence[Window] = (), servers: int = 1
) -> RightsVerdict:
    """Of right 7, used by turns on so many servers; uses are given as (start, end, accepted)."""
    used = [Use(7, start * MS, end * MS, n % servers, accepted) for n, (start, end, accepted) in enumerate(uses)]
    return judge_rights(used, [ending] if ending else [], windows)


def end_of_right(start: int, end: int | None, outcome: str = ACKNOWLEDGED, *, kind: str = "logout") -> Write:
    return write(1, start, end, outcome, kind=kind, key=7)


def test_a_right_that_is_accepted_after_its_end_is_stale_and_one_refused_before_a_phantom() -> None:
    uses = [(99, 130, True), (101, 130, True), (102, 103, False), (90, 95, True), (80, 89, False), (80, 90, False)]
    verdict = verdict_on_uses(*uses, ending=end_of_right(90, 100))
    assert (verdict.uses_after_end.total(), verdict.accepted_after_end, verdict.stale_ms) == (2, {"logout": 1}, [1])
    assert (verdict.accepted, verdict.refused, verdict.phantoms) == (3, 3, 1)
    assert verdict_on_uses(*uses).phantoms == 3
    for outcome, end in (("failed:503", 100), (KILLED, None)):
        unacknowledged = verdict_on_uses((110, 111, True), (112, 113, False), ending=end_of_right(90, end, outcome))
        assert (unacknowledged.uses_after_end, unacknowledged.stale, unacknowledged.phantoms) == ({}, 0, 0)


def test_an_end_by_sql_that_nobody_saw_counts_for_nothing() -> None:
    ending = end_of_right(90, 100, kind="raw-deactivate")
    verdict = verdict_on_uses((110, 111, True), (130, 131, True), (140, 141, False), ending=ending)
    assert (verdict.accepted_after_end, verdict.behind_django) == ({}, Behind(2, [30], [30]))
    assert verdict_on_uses((101, 102, False), ending=ending).behind_django == Behind(0, [0], [0])
    assert verdict_on_uses((91, 92, True), ending=ending).behind_django == Behind(), "nobody looked"


def test_an_end_is_watched_by_a_server_that_accepted_before_and_was_asked_again_after() -> None:
    ending = end_of_right(90, 100)
    alternating = [(80, 81, True), (82, 83, True), (101, 102, False), (103, 104, False)]
    for uses, watched, everywhere in ((alternating, 1, 1), (alternating[:3], 1, 0), (alternating[:2], 0, 0)):
        verdict = verdict_on_uses(*uses, ending=ending, servers=2)
        assert (verdict.ended_while_used.total(), verdict.ended_while_used_on_every_server) == (watched, everywhere)
    assert verdict_on_uses((80, 81, True), (601, 602, False), ending=ending).ended_while_used.total() == 0


def test_notes_outlive_a_killed_writer_and_tell_what_it_is_doing(tmp_path: Path) -> None:
    file, use = tmp_path / "log", Use(7, 10, 20, server=2, accepted=True)
    log = WriteLog(file)
    assert find_unfinished(file) is None
    log.begin([0, 2], 7, "update")
    log.end(7, "failed:" + "x" * 60)
    assert find_unfinished(file) is None
    log.use(use)
    log.begin([1], 8, "patch", 2)
    assert find_unfinished(file) == 2
    assert [each.outcome for each in read_writes(file)] == [f"failed:{'x' * 60}"] * 2 + [KILLED]
    assert list(read_uses(file)) == [use]
