"""The last release's servers are replaced by this tree's, and back, under load: nothing is stale, nothing is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.fields.conftest import make_next_release
from tests.torture.plan import Plan
from tests.torture.records import label_of
from tests.torture.run import run_on
from tests.torture.stage import prepared_stage
from tests.upgrade.replacing import KEPT, NEW, OF_THE_LOAD, OLD, Upgrade, unpack_last_release

INCIDENTS = """
    SELECT name FROM cache_layer_incident
    WHERE name <> ALL (%s)
    AND (name <> 'RelayNotWorking' OR seen_ts - began_ts > interval '2 minutes')  -- else it is only being taken over
"""


def test_the_release_that_is_kept_is_the_last_one() -> None:
    """Or the one before, while the changes of the next one are being written down."""
    released = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert KEPT.name.removesuffix(".tar.xz") in released[:2], "make keep RELEASE=..."


@pytest.mark.parametrize("pause_seconds", [0.4, pytest.param(5, marks=pytest.mark.proof)])
def test_beside_and_after_the_last_release_nothing_is_stale_refused_or_lost(
    tmp_path: Path, pause_seconds: float
) -> None:
    last, this = tmp_path / "last", tmp_path / "this"
    for folder in (last, this):
        folder.mkdir()
    unpack_last_release(last)
    make_next_release(this)  # with one more field, so that there are another document and a migration
    plan = Plan(
        seconds=300,  # at most
        faults=frozenset({"rollback", "bulk", "raw"}),
        servers=2,
        writers=3,
        readers=4,
        people=1,
        people_readers=4,
        rest_ms=20,
        lease_ms=50,
        quiet_writes=0,
    )
    with prepared_stage(plan, tmp_path, (last, this)) as stage:
        upgrade = Upgrade(stage, pause_seconds)
        outcome = run_on(stage, upgrade)
        assert outcome.broken_coherence() == [], "\n".join(outcome.verdict.examples + outcome.rights.examples)
        assert [reason for reason in outcome.failures if not reason.endswith("(server down)")] == []
        assert (upgrade.refused(), upgrade.problems) == ([], [])
        acknowledged = upgrade.acknowledged()
        in_history = {label for (label,) in stage.database.execute("SELECT label FROM app.entity_event")}
        assert {label_of(write.version) for write in acknowledged} - in_history == set()
        assert stage.database.execute(INCIDENTS, [[*OF_THE_LOAD]]).fetchall() == []
        beside = [
            write.server
            for write in acknowledged
            if any(both.touches(write.started, write.started) for both in upgrade.both)
        ]
        assert min(beside.count(OLD), beside.count(NEW)) > 0
        assert {"patch", "save", "raw-driver"} <= outcome.verdict.kinds_of_writes.keys()
        assert {"L1", "L2"} <= outcome.verdict.sources.keys()
        assert min(outcome.rights.accepted, outcome.rights.refused) > 0
