"""Notes survive the death of whoever makes them, and figures are shown as they are."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.figures import quantile
from tests.torture.plan import FAULTS, UnknownFault, faults_of, name_faults, parse_faults
from tests.torture.plot import draw_lags
from tests.torture.records import KILLED, ReadLog, WriteLog, find_unfinished, first_version, label_of, read_writes
from tests.torture.tokens import FRESH_TOKENS, REFUSED_NS, Token, Tokens, read_tokens
from tests.torture.uses import Use, UseLog, read_uses


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
    uses = UseLog()
    uses.add(use)
    uses.save(tmp_path / "uses")
    assert UseLog.load(tmp_path / "uses")[0] == use


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


def test_readers_go_on_for_a_while_with_a_token_that_is_refused_and_return_to_it(tmp_path: Path) -> None:
    file, token = tmp_path / "tokens", Token(7, "abc")
    tokens = Tokens(file, random.Random(1))
    token.hand_over(file)
    tokens.look()
    tokens.note_refusal(token, 0)
    tokens.note_refusal(token, REFUSED_NS)
    assert (tokens.fresh, list(tokens.old)) == ([token], [])
    tokens.note_refusal(token, REFUSED_NS + 1)
    assert (tokens.fresh, list(tokens.old), tokens.choose()) == ([], [token], token)
    for number in range(FRESH_TOKENS + 1):
        Token(number + 8, "def").hand_over(file)
    tokens.look()
    assert [token.right for token in tokens.old] == [7, 8]


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
