"""Notes survive the death of whoever makes them, and figures are shown as they are."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree

from tests.torture.plot import draw_lags
from tests.torture.records import KILLED, ReadLog, WriteLog, find_unfinished, first_version, label_of, read_writes
from tests.torture.tokens import Token, Tokens, read_tokens
from tests.torture.uses import Use, read_uses


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


def test_what_a_writer_tried_is_noted_among_its_writes(tmp_path: Path) -> None:
    log, use = WriteLog(tmp_path / "log"), Use(7, 10, 20, server=2, accepted=True)
    log.begin([7], 8, "leave-group")
    log.use(use)
    log.use(use._replace(accepted=False))
    assert list(read_uses(tmp_path / "log")) == [use, use._replace(accepted=False)]
    assert [write.outcome for write in read_writes(tmp_path / "log")] == [KILLED]


def test_readers_take_a_token_when_all_of_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    tokens = Tokens(file, random.Random(1))
    assert tokens.choose() is None
    with file.open("a") as opened:
        opened.write("7 abc")
        opened.flush()
        tokens.look()
        assert tokens.choose() is None
        opened.write("def\n")
    tokens.look()
    assert tokens.choose() == Token(7, "abcdef")
    Token(8, "ghi").hand_over(file)
    assert read_tokens(file) == [Token(7, "abcdef"), Token(8, "ghi")]


def test_no_two_writers_use_the_same_version_and_all_fit_the_log() -> None:
    assert first_version(0, 2) - first_version(0, 1) == first_version(1, 0) - first_version(0, 999)
    log = ReadLog()
    log.add(9, 1, 2, version=first_version(40, 999) + 99_999, source=0, server=15)
    assert label_of(log.version[0]) == "v4099999999"


def test_the_drawing_says_its_figures_in_words_too() -> None:
    drawing = ElementTree.fromstring(draw_lags([0.0] * 50 + [12.5] * 48 + [80.0, 90.0]))
    assert drawing.findtext("{*}desc") == "100 changes: p50 0.0 ms, p90 12.5 ms, p99 80.0 ms, at most 90.0 ms."
