"""The command lines of the tools."""

from __future__ import annotations

import argparse

import pytest

from tests.command_line import parse_names
from tests.torture.plan import FAULTS, faults_of, name_faults


def test_a_name_that_does_not_exist_is_refused_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    assert parse_names(parser, "raw,flushdb", FAULTS) == ["raw", "flushdb"]
    for name, topology in (("flash", "single"), ("kill-redis", "cluster"), ("move-slots", "sentinel")):
        with pytest.raises(SystemExit):
            parse_names(parser, f"raw,{name}", faults_of(topology))
        assert f"no {name}; there are: " in capsys.readouterr().err


def test_faults_are_named_in_one_order() -> None:
    assert name_faults({"raw", "flushdb"}) == "flushdb,raw"
    assert name_faults(FAULTS) == "all"
