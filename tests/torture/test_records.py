"""Notes survive the death of whoever makes them, and figures are shown as they are."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.torture.plan import FAULTS, UnknownFault, faults_of, name_faults, parse_faults
from tests.torture.plot import draw_lags
from tests.torture.records import KILLED, ReadLog, WriteLog, find_unfinished, first_version, label_of, read_writes
from tests.torture.run import quantile


def test_a_write_without_an_end_is_of_a_killed_writer(tmp_path: Path) -> None:
    log = WriteLog(tmp_path / "log")
    log.begin([0, 2], 7, "update")
    log.end(7, "acknowledged")
    log.begin([1], 8, "patch", 2)
    assert [(write.key, write.version, write.outcome) for write in read_writes(tmp_path / "log")] == [
        (0, 7, "acknowledged"),
        (2, 7, "acknowledged"),
        (1, 8, KILLED),
    ]


def test_a_writer_in_the_middle_of_a_write_can_be_told(tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert find_unfinished(file) is None
    log = WriteLog(file)
    assert find_unfinished(file) is None
    log.begin([0], 7, "patch", 2)
    assert find_unfinished(file) == 2
    log.end(7, "failed:" + "x" * 60)
    assert find_unfinished(file) is None


def test_no_two_writers_use_the_same_version_and_all_fit_the_log() -> None:
    assert first_version(0, 2) - first_version(0, 1) == first_version(1, 0) - first_version(0, 999)
    log = ReadLog()
    log.add(9, 1, 2, version=first_version(40, 999) + 99_999, source=0, server=15)
    assert label_of(log.version[0]) == "v4099999999"


def test_a_fault_that_does_not_exist_is_refused_by_name() -> None:
    assert parse_faults("raw,flushdb") == {"raw", "flushdb"}
    assert parse_faults("all") == set(FAULTS)
    assert parse_faults("none") == set()
    assert name_faults(parse_faults("raw,flushdb")) == "flushdb,raw"
    with pytest.raises(UnknownFault, match="no fault flash; there are: kill-servers"):
        parse_faults("raw,flash")


def test_a_quantile_is_one_of_the_values() -> None:
    assert [quantile([30, 10, 20, 40], share) for share in (0.25, 0.5, 0.99, 1)] == [10, 20, 40, 40]


def test_the_drawing_says_its_figures_in_words_too() -> None:
    drawing = ElementTree.fromstring(draw_lags([0.0] * 50 + [12.5] * 48 + [80.0, 90.0]))
    assert drawing.findtext("{*}desc") == "100 changes: p50 0.0 ms, p90 12.5 ms, p99 80.0 ms, at most 90.0 ms."


def test_what_can_happen_depends_on_how_redis_runs() -> None:
    assert parse_faults("all", "cluster") == faults_of("cluster").keys()
    assert parse_faults("kill-primary,raw", "sentinel") == {"kill-primary", "raw"}
    for faults, topology in (("kill-redis", "cluster"), ("move-slots", "sentinel"), ("kill-primary", "single")):
        with pytest.raises(UnknownFault, match=faults):
            parse_faults(faults, topology)  # type: ignore[arg-type] # a tuple of texts
