"""Short versions of `make outages`: some single faults and the worst pairs, in `make test` a few of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.outages.asking import Answer
from tests.outages.matrix import Matrix
from tests.outages.prepare import prepare
from tests.outages.stage import prepared_stage
from tests.servers import test_database_url

PAIRS = [
    ("hanging", "healthy"),
    ("full", "healthy"),
    ("read-only replica", "healthy"),
    ("partitioned", "healthy"),
    ("restarting", "healthy"),
    ("healthy", "slow"),
    ("healthy", "read-only"),
    ("refusing", "failing over"),
    ("wrong password", "out of connections"),
    ("slow", "hanging"),
    ("partitioned", "down"),
]
FEW_PAIRS = [
    *(("partitioned", "healthy"), ("restarting", "healthy")),
    *(("healthy", "slow"), ("refusing", "failing over"), ("full", "down")),
]
BUDGET_MS = 1_200
QUICK_OPERATIONS = ("read", "write", "list", "admin")
"""A password's hash takes half a second of the processor; without the database there is none to compare."""


@pytest.fixture
def matrix(committed_db: None, tmp_path: Path) -> Iterator[Matrix]:
    prepared = prepare(settings.SECRET_KEY)
    with prepared_stage(tmp_path, test_database_url(), prepared, BUDGET_MS) as stage:
        yield Matrix(stage)


@pytest.mark.parametrize("pairs", [FEW_PAIRS, pytest.param(PAIRS, marks=pytest.mark.proof)], ids=["few", "all"])
def test_whatever_fails_every_answer_is_explained_and_nothing_is_stale_lost_or_left_broken(
    matrix: Matrix, pairs: list[tuple[str, str]]
) -> None:
    reasons = set()
    for redis, postgres in pairs:
        operations = QUICK_OPERATIONS if postgres in ("healthy", "read-only") else (*QUICK_OPERATIONS, "login")
        [row] = matrix.run([(redis, postgres)], operations)
        assert row.broken == [], (redis, postgres, row.logged)
        assert postgres != "healthy" or row.answers["read"].is_good, "Redis alone refuses no reader"
        reasons |= {answer.reason for answer in row.answers.values()}
    assert reasons >= {"", "page", "database_unavailable"}


def test_an_answer_without_a_reason_is_found() -> None:
    assert not Answer(500, 0.1, "internal_error").is_explained
    assert not Answer(503, 0.1, "", may_retry=True).is_explained
    assert not Answer(0, 15.0, "no answer").is_explained
    assert Answer(503, 0.1, "database_unavailable", may_retry=True).is_explained
